"""Jobs in processes on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.launch.child import Child, wait_for
from seg.launch.job import Failed, Job
from seg.launch.launcher import Launcher, LauncherInfo
from seg.launch.pool import run_in
from seg.launch.tries import Told, untold


@dataclass(frozen=True)
class Processes(Launcher):
    """A process of its own for every job, so that one which is killed takes nothing with it."""

    workers: int
    logs: Path

    def run(self, jobs: Sequence[Job], done: Told = untold) -> tuple[Failed, ...]:
        """See `Launcher.run`."""
        return run_in(_Children(), jobs, self.workers, self.logs, done)


class _Children:
    def __init__(self) -> None:
        self._running: list[Child] = []

    def start(self, job: Job, log: Path) -> None:
        self._running.append(Child(job, log))

    def ended(self) -> list[tuple[Job, str]]:
        ended = wait_for(self._running)
        self._running = [child for child in self._running if child not in ended]
        return [(child.job, child.reason()) for child in ended]

    def stop(self) -> None:
        for child in self._running:
            child.stop()

    def kill(self) -> None:
        for child in self._running:
            child.kill()


LAUNCHER = LauncherInfo(
    name="processes",
    title="processes",
    looks_like="so many processes on this machine, with its memory and its first GPU between them",
    extra="",
    open=Processes,
)
