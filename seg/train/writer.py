"""Work that is done beside the training loop, one piece at a time."""

import threading
from collections.abc import Callable


class Writer:
    """Runs one job at a time in a thread of its own; the next one waits for it.

    There is no thread between two jobs, so that processes started in the meantime copy none.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Run `job` behind the caller's back, after the one before it; raises what that one raised."""
        self.wait()
        # A daemon, because a second Ctrl-C ends the program at once; whoever wants the job done waits for it.
        self._thread = threading.Thread(target=self._run, args=(job,), name="writer", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when nothing is being written; raises, once, what the job raised."""
        self.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def join(self) -> None:
        """Return when nothing is being written, whatever came of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self._error = error
