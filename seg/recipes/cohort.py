"""A cohort in parts: so many jobs, each of which predicts its cases into the one folder of all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seg.launch.job import Failed, Job
from seg.launch.launcher import Launcher
from seg.launch.tries import AGAIN, FINISHED
from seg.recipes.predict_part import is_predicted, predict_part
from seg.recipes.stages import console_stages
from seg.records import Case, Finding

LOGS = "logs"
"""Folder beside the masks for what the jobs print."""


@dataclass(frozen=True)
class Cohort:
    """What all parts have in common."""

    run: Path
    words: tuple[str, ...]
    output: Path

    def predict(self, cases: Sequence[Case], launcher: Launcher, workers: int, console: Console) -> tuple[Finding, ...]:
        """Predict cases that are claimed on the card already; returns those that failed."""
        parts = {f"part-{number + 1}": tuple(cases[number::workers]) for number in range(min(workers, len(cases)))}
        jobs = [self._job(name, part) for name, part in parts.items()]
        for name in parts:
            self._failed_file(name).unlink(missing_ok=True)
        failed = launcher.run(jobs, _Told({name: len(part) for name, part in parts.items()}, console))
        of_jobs = [finding for each in failed for finding in self._not_reached(each, parts[each.job.name])]
        return (*(finding for name in parts for finding in self._noted(name)), *of_jobs)

    def _job(self, name: str, part: tuple[Case, ...]) -> Job:
        # The jobs need not begin in the folder that this process is in.
        arguments = (self.run.absolute(), self.words, part, self.output.absolute(), self._failed_file(name).absolute())
        return Job(name, predict_part, arguments)

    def _failed_file(self, name: str) -> Path:
        return self.output / LOGS / f"{name}.json"

    def _noted(self, name: str) -> list[Finding]:
        """The cases that a part could not predict; a part that failed as a whole has noted none."""
        file = self._failed_file(name)
        return [Finding(**each) for each in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []

    def _not_reached(self, failed: Failed, part: Sequence[Case]) -> list[Finding]:
        log = failed.job.log(self.output / LOGS)
        return [
            Finding(
                "error", "part-failed", case.channels[0][0], failed.reason, "a process that predicts all of its cases",
                f"see {log}; the same command goes on with what is missing",
            )
            for case in part
            if not is_predicted(case, self.output)
        ]  # fmt: skip


class _Told:
    """Prints how far the cohort is whenever a part has ended, and which part is tried again."""

    def __init__(self, sizes: dict[str, int], console: Console) -> None:
        self._sizes = sizes
        self._console = console
        self._listener = console_stages(console)("predicting")
        self._done = 0

    def __call__(self, job: Job, state: str) -> None:
        word, _, reason = state.partition(": ")
        if word == FINISHED:
            self._done += self._sizes[job.name]
            self._listener(self._done, sum(self._sizes.values()), job.name)
        elif reason:
            what = "is tried once more" if word == AGAIN else "failed twice"
            self._console.print(f"{job.name} {what}: {reason}", highlight=False, markup=False, soft_wrap=True)
