"""Jobs beside this process, so many at a time: begun, waited for, tried again, stopped by a signal."""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from seg.launch.job import Failed, Job
from seg.launch.launcher import refuse_twins
from seg.launch.tries import Told, Tries
from seg.train.interrupt import Interrupt, Interrupted

_ENDED_WITHIN_S = 300.0
"""How long jobs may take to save what they have; a cluster that the same signal ended would never say they did."""


class Place(Protocol):
    """Where the jobs run."""

    def start(self, job: Job, log: Path) -> None:
        """Begin a job that prints to `log`."""
        ...

    def ended(self) -> Sequence[tuple[Job, str]]:
        """Jobs that ended, each with why it is not done, or nothing; waits a moment for the first."""
        ...

    def stop(self) -> None:
        """Ask all jobs to end with everything saved."""
        ...

    def kill(self) -> None:
        """End at once whatever still runs."""
        ...


def run_in(place: Place, jobs: Sequence[Job], workers: int, logs: Path, told: Told) -> tuple[Failed, ...]:
    """Run all jobs in a place; see `Launcher.run`."""
    refuse_twins(jobs)
    tries, waiting, running = Tries(told), deque(jobs), 0
    try:
        with Interrupt() as interrupt:
            while (waiting or running) and not interrupt.requested:
                while waiting and running < workers:
                    job = waiting.popleft()
                    tries.begin(job)
                    place.start(job, job.log(logs))
                    running += 1
                for job, reason in place.ended():
                    running -= 1
                    # What a signal has ended, perhaps together with this process, is no failure.
                    if not interrupt.requested and tries.end(job, reason):
                        waiting.appendleft(job)
            if interrupt.requested:
                place.stop()
                end = time.monotonic() + _ENDED_WITHIN_S
                while running and time.monotonic() < end:
                    running -= len(place.ended())
                raise Interrupted(interrupt.exit_code)
    finally:
        place.kill()
    return tries.failed
