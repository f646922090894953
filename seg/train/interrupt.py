"""Ctrl-C and SIGTERM end a training after the step at hand, with everything saved; a second signal ends it at once."""

import signal
from types import FrameType, TracebackType

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupt:
    """While it is entered, `requested` says whether somebody asked the process to end."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._previous: dict[signal.Signals, signal.Handlers] = {}

    @property
    def requested(self) -> bool:
        """True after the first signal."""
        return self.exit_code is not None

    def __enter__(self) -> "Interrupt":
        try:
            for number in _EXIT_CODES:
                self._previous[number] = signal.signal(number, self._note)  # type: ignore[assignment]
        except ValueError:
            # Only the main thread may set handlers; in another one the training runs on uninterrupted.
            self._previous.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise SystemExit(self.exit_code)
        self.exit_code = _EXIT_CODES[signal.Signals(number)]


class Interrupted(SystemExit):
    """Ends the program with the signal's exit code; its run can be resumed."""
