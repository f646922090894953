"""Trainings in forked copies of this process, which replace its functions without the program knowing of it."""

import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seg.errors import SegError
from seg.overrides import resolve
from seg.recipes import train as recipe
from seg.recipes.prepare import Checked
from seg.runs import Run
from seg.train import saver

_reports: list[int] = []
"""In a child: the pipe to its parent."""


def report(line: str) -> None:
    """Tell the parent process something."""
    os.write(_reports[0], f"{line}\n".encode())


@dataclass(frozen=True)
class Place:
    """Where everything happens, and what all trainings have in common."""

    folder: Path
    words: tuple[str, ...]
    checked: Checked

    def run(self, name: str) -> Run:
        """The run of that name."""
        return Run(self.folder / "runs" / name)

    def train(self, name: str, *words: str, fault: Callable[[], None] = lambda: None) -> "Child":
        """Start a run of that name in a child, or go on with it."""
        return Child(lambda: self._with_reports(name, words, fault), self.folder / f"{name}.txt")

    def train_here(self, name: str, *words: str) -> None:
        """All of `seg train` but its judgement, which comes after everything that is saved here."""
        recipe.judge_run = lambda *_: None
        recipe.note_finish = lambda run, _: run.change_manifest(state="finished")
        recipe.report = lambda run: run.report
        run = self.run(name)
        resume = run if (run.folder / "manifest.json").exists() else None
        settings = run.settings() if resume else resolve([*self.words, *words, f"runs.name={name}"])
        recipe.train(settings, resume=resume, checked=self.checked, console=Console(quiet=True))

    def _with_reports(self, name: str, words: tuple[str, ...], fault: Callable[[], None]) -> None:
        enter = saver.Saver.__enter__

        def entered(self: saver.Saver) -> saver.Saver:
            found = enter(self)
            report("started")
            return found

        saver.Saver.__enter__ = entered
        fault()
        self.train_here(name, *words)


class Child:
    """A forked copy of this process, in a group of its own."""

    def __init__(self, work: Callable[[], None], output: Path) -> None:
        """What it says goes to `output`."""
        read, write = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            _reports.append(write)
            os._exit(_worked(work, output))
        os.close(write)
        self._reports = os.fdopen(read)

    def started(self) -> bool:
        """Wait for the moment before the first step; False where there was none."""
        return self._reports.readline() == "started\n"

    def ended(self) -> tuple[int, list[str]]:
        """Wait for the end: exit code, or the negative number of the signal, and what was reported."""
        with self._reports:
            lines = self._reports.read().splitlines()
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1]), lines

    def kill(self) -> None:
        """End it, and the processes that load for it, without a word."""
        os.killpg(self.process, signal.SIGKILL)

    def left_processes(self) -> bool:
        """Whether one of its group still lives two seconds after its end."""
        for _ in range(20):
            try:
                os.killpg(self.process, 0)
            except ProcessLookupError:
                return False
            time.sleep(0.1)
        return True


def _worked(work: Callable[[], None], output: Path) -> int:
    os.setsid()
    with output.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        work()
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException as error:
        traceback.print_exc()
        return error.exit_code if isinstance(error, SegError) else 1
    return 0
