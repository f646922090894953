"""The trainings of a proof as jobs, which can be done anywhere, and what is said while they are done."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from seg.data.splits import load_split
from seg.launch.job import Job
from seg.launch.launcher import open_launcher
from seg.launch.tries import FINISHED, STARTED
from seg.overrides import validate
from seg.recipes.proof_checks import Planned
from seg.recipes.proof_folder import ProofFolder
from seg.recipes.proof_scores import mean_end, table_of
from seg.recipes.transfer import transfer
from seg.report.numbers import count_text
from seg.train.log import duration

Say = Callable[[str], None]


def train_arm(settings: Mapping[str, Any]) -> None:
    """Train with these settings, as plain values; an unfinished run of them goes on."""
    transfer(validate(dict(settings)), console=Console())


def job_of(planned: Planned) -> Job:
    """The training as a job of its own."""
    return Job(planned.run.name, train_arm, (planned.settings.model_dump(mode="json"),))


class Told:
    """Prints a line per training that ends, with the time that the others will take."""

    def __init__(self, planned: Sequence[Planned], say: Say, now: Callable[[], float] = time.monotonic) -> None:
        """`planned` are the trainings that are left."""
        self._planned = {one.run.name: one for one in planned}
        self._say, self._now = say, now
        self._begin = now()
        self._ended = 0

    def __call__(self, job: Job, state: str) -> None:
        """Said by a launcher: how a job stands."""
        if state == STARTED:
            self._say(f"Training {job.name}, {len(self._planned)} in all")
            return
        word, _, reason = state.partition(": ")
        if word == "again":
            self._say(f"{job.name} is tried once more: {reason}")
            return
        self._ended += 1
        place = f"{self._ended} of {len(self._planned)} trainings"
        what = end_of(self._planned[job.name]) if state == FINISHED else f"failed twice: {reason}"
        self._say(f"{place}: {job.name} {what}{self._left()}")

    def _left(self) -> str:
        rest = len(self._planned) - self._ended
        if not rest:
            return f"; all took {duration(self._now() - self._begin)}"
        return f"; about {duration((self._now() - self._begin) / self._ended * rest)} left"


def end_of(planned: Planned) -> str:
    """What a finished training came to."""
    run, place = planned.run, (planned.arm.name, planned.size, planned.seed)
    patients = load_split(run.folder / "split.json").test
    end = mean_end(table_of({place: run.curve_rows()}, patients), planned.arm.name, planned.size, [planned.seed])
    dice = "without a Dice" if end is None else f"at Dice {end:.3f}"
    return f"ended {dice} ({count_text(len(patients), 'test patient')})"


def run_jobs(planned: Sequence[Planned], folder: ProofFolder, launcher: str, workers: int, say: Say) -> dict[str, str]:
    """Do all trainings that are not finished; returns why some are not, by the name of their run."""
    left = [one for one in planned if not one.finished]
    if len(left) < len(planned):
        say(f"{len(planned) - len(left)} of {len(planned)} trainings were finished before.")
    if not left:
        return {}
    opened = open_launcher(launcher, workers, folder.folder / "logs")
    failed = opened.run([job_of(one) for one in left], Told(left, say))
    return {one.job.name: one.reason for one in failed}
