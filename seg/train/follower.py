"""What a process that does not lead has in the place of the log and the saver: the first one alone writes the run."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console

from seg.runs import Run
from seg.train.log import TrainingLog
from seg.train.saver import Saver
from seg.train.training import Progress, Training


class SilentLog(TrainingLog):
    """A log that keeps nothing."""

    def __init__(self) -> None:
        """Without files."""

    def __enter__(self) -> "SilentLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""

    def progress(self, step: int, facts: str) -> None:
        """Nothing."""

    def total(self, steps: int) -> None:
        """Nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""


class NoSaver(Saver):
    """A saver that saves nothing."""

    def __init__(self) -> None:
        """Without a run."""

    def __enter__(self) -> "NoSaver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def keep_best(self, candidate: str) -> None:
        """Nothing."""

    def save(self, progress: Progress) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


def log_of(training: Training, run: Run, progress: Progress, console: Console) -> TrainingLog:
    """The run's log, in the process that leads."""
    if not training.ranks.leads:
        return SilentLog()
    return TrainingLog(run, progress.total_steps, progress.step, console, training.settings.train.tensorboard)


def saver_of(training: Training, run: Run, log: TrainingLog, progress: Progress) -> Saver:
    """What saves the training, in the process that leads."""
    return Saver(training, run, log, progress) if training.ranks.leads else NoSaver()
