"""A job that failed is tried once more, and all of it is told."""

from collections.abc import Callable
from typing import TypeAlias

from seg.launch.job import Failed, Job

TRIES = 2
"""A process can be killed by what has nothing to do with its job; what fails twice would most likely fail again."""

STARTED, FINISHED, AGAIN, FAILED = "started", "finished", "again", "failed"
"""How the states begin that a listener is told; after the last two follow a colon and the reason."""

Told: TypeAlias = Callable[[Job, str], None]
"""Called with a job and its state."""


def untold(job: Job, state: str) -> None:
    """A listener that ignores everything."""


class Tries:
    """How often each job was tried, and what came of it."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._reasons: dict[str, list[str]] = {}
        self._failed: list[Failed] = []

    def begin(self, job: Job) -> None:
        """Tell that a job starts; its second start was told when the first one ended."""
        if job.name not in self._reasons:
            self._reasons[job.name] = []
            self._told(job, STARTED)

    def end(self, job: Job, reason: str) -> bool:
        """Note how a try ended, well where there is no reason against it; returns whether the job is tried again."""
        if not reason:
            self._told(job, FINISHED)
            return False
        reasons = self._reasons[job.name]
        reasons.append(reason)
        again = len(reasons) < TRIES
        self._told(job, f"{AGAIN if again else FAILED}: {reason}")
        if not again:
            self._failed.append(Failed(job, "; then: ".join(dict.fromkeys(reasons))))
        return again

    @property
    def failed(self) -> tuple[Failed, ...]:
        """The jobs that no try finished."""
        return tuple(self._failed)
