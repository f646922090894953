"""The contract of a launcher: a `LauncherInfo` record named LAUNCHER, which opens a Launcher."""

import importlib.util
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.errors import UsageError
from seg.launch.job import Failed, Job
from seg.launch.tries import Told, untold
from seg.processes import process_count, several
from seg.registry import LAUNCHERS

HERE = "in_process"
"""The launcher that needs nothing."""
LOGS = Path("runs") / "logs"
"""Where jobs print to unless somebody says otherwise."""


class Launcher(ABC):
    """Runs jobs somewhere."""

    @abstractmethod
    def run(self, jobs: Sequence[Job], done: Told = untold) -> tuple[Failed, ...]:
        """Run all jobs. One that failed, or whose process died, is tried once more; the others run whatever it does.

        `done` is told of every job that it `started`, that it `finished`, that it is tried `again: REASON`, and that
        it `failed: REASON`. SIGINT and SIGTERM end the jobs as they end a training, then raise Interrupted; a second
        signal ends all at once. What was not finished goes on when the jobs are run again.
        """


@dataclass(frozen=True)
class LauncherInfo:
    """One place where jobs run, with everything a person has to know to choose it."""

    name: str
    """The file's name."""
    title: str
    """What a table calls it."""
    looks_like: str
    """Where the jobs run and what is needed there, in a sentence."""
    extra: str
    """Name of the optional extra, and of the package it brings; empty where none is needed."""
    open: Callable[[int, Path], Launcher]
    """With the number of jobs at a time and the folder for what they print."""


def open_launcher(name: str, workers: int = 1, logs: Path = LOGS) -> Launcher:
    """The launcher of that name, which runs `workers` jobs at a time and lets each print to a file in `logs`.

    Raises UsageError for an unknown name, no workers, a package that is not installed, and within torchrun, whose
    processes the jobs would take themselves for.
    """
    info: LauncherInfo = LAUNCHERS.load(name).LAUNCHER
    if several() and name != HERE:
        raise UsageError(
            found=f"launcher {name} in one of {process_count()} processes of torchrun", expected="one or the other",
            fix="start it without torchrun", code="launcher-in-torchrun",
        )  # fmt: skip
    if workers < 1:
        raise UsageError(
            found=f"{workers} workers", expected="1 or more", fix="say how many jobs may run at a time",
            code="no-workers",
        )  # fmt: skip
    return info.open(workers, logs.absolute())


def require_package(package: str, extra: str) -> None:
    """Raise UsageError with the command that installs it where the package of an extra is missing."""
    if importlib.util.find_spec(package) is None:
        raise UsageError(
            found=f"launcher {extra} without the package {package}", expected=f"{package}, installed",
            fix=f'pip install "seg[{extra}]"', code="missing-package",
        )  # fmt: skip


def refuse_twins(jobs: Sequence[Job]) -> None:
    """Raise ValueError where two jobs have one name: they would share a log, and a try would be counted for both."""
    if twins := [name for name, count in Counter(job.name for job in jobs).items() if count > 1]:
        raise ValueError(f"several jobs are called {', '.join(twins)}")
