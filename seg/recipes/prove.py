"""`seg prove`: arms trained side by side on the same draws, and a verdict on whether a transfer helped."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from seg.atomic import require_writable, write_text
from seg.errors import CheckpointError, ResourceError, SegError, TrainingError
from seg.lock import NAME as LOCK
from seg.lock import held
from seg.proof.scores import ScoreTable
from seg.recipes.prepare import Checked
from seg.recipes.proof_checks import Planned, refuse_bad_plan, too_few_to_tell
from seg.recipes.proof_folder import Asked, ProofFolder, read_asked, write_asked
from seg.recipes.proof_jobs import run_jobs
from seg.recipes.proof_page import COLUMNS, console_rows, write_page, write_table
from seg.recipes.proof_pictures import keep_pictures, most_different, take_pictures
from seg.recipes.proof_plan import Plan, Question, describe, folder_of, plan_proof, refuse_bad_question
from seg.recipes.proof_scores import gather
from seg.recipes.proof_verdict import Proven, judge_scores, to_json
from seg.recipes.stages import console_stages
from seg.recipes.transfer import transfer
from seg.report.numbers import count_text
from seg.train.interrupt import Interrupted


@dataclass(frozen=True)
class Outcome:
    """What a proof came to."""

    folder: Path
    proven: Proven
    failed: Mapping[str, str]
    """Trainings of this command that did not come to an end, and why."""

    @property
    def report(self) -> Path:
        """The page."""
        return ProofFolder(self.folder).report

    @property
    def columns(self) -> tuple[str, ...]:
        """Of `rows`."""
        return COLUMNS

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The table as a console shows it."""
        return console_rows(self.proven)

    def refuse_failures(self) -> None:
        """Raise TrainingError where a training failed twice."""
        if self.failed:
            told = "; ".join(f"{name}: {reason}" for name, reason in self.failed.items())
            raise TrainingError(
                found=f"{count_text(len(self.failed), 'training')} that failed twice ({told})",
                expected="every training to end; the verdict rests on those that did",
                fix="mend what the error says and give the same command again: what is finished is used",
                path=self.folder, code="proof-incomplete",
            )  # fmt: skip


def prove(
    question: Question, *, launcher: str = "in_process", workers: int = 1, dry_run: bool = False,
    console: Console | None = None,
) -> Outcome | None:  # fmt: skip
    """Train what is not trained yet, and say what the transfers were worth.

    Everything is checked before the first training begins; with `dry_run` a few steps of every arm are tried, nothing
    is kept and None is returned. A proof that was killed goes on by the same command, which may ask for more arms,
    sizes and seeds.
    """
    console = console or Console()
    refuse_bad_question(question)
    folder = folder_of(question)
    if dry_run:
        plan = plan_proof(question, folder, console)
        describe(plan, console)
        _try_arms(plan, console)
        return None
    require_writable(folder.folder)
    with _locked(folder):
        plan = plan_proof(question, folder, console)
        describe(plan, console)
        checked = refuse_bad_plan(plan.trainings, console_stages(console))
        if warning := too_few_to_tell(checked):
            console.print(warning, highlight=False, markup=False, soft_wrap=True)
        write_asked(folder, plan.asked)
        failed = _train(plan, launcher, workers, console)
        return _conclude(plan, checked, failed, console)


def recompute(folder: ProofFolder) -> Outcome:
    """Verdict, table and page again, from what was asked and the saved scores alone."""
    asked = read_asked(folder)
    if not folder.scores.exists():
        raise _unfinished(folder, asked)
    with _locked(folder):
        return Outcome(folder.folder, _say(folder, asked, folder.read_scores()), {})


def _unfinished(folder: ProofFolder, asked: Asked) -> CheckpointError:
    runs = [folder.run(arm, size, seed) for arm in asked.arms for size in asked.sizes for seed in range(asked.seeds)]
    ended = sum(run.evaluation() is not None for run in runs)
    return CheckpointError(
        found=f"an unfinished proof without scores ({ended} of {len(runs)} trainings have ended)",
        expected="the scores of a proof that came to its end",
        fix="give the command of the proof again: it goes on; `seg compare` sets finished runs beside each other",
        path=folder.scores, code="proof-unfinished",
    )  # fmt: skip


@contextmanager
def _locked(folder: ProofFolder) -> Iterator[None]:
    """Hold a proof alone; a folder that was made for nothing goes again."""
    folder.folder.mkdir(parents=True, exist_ok=True)
    try:
        with held(folder.folder):
            try:
                yield
            finally:
                # Only who holds it may remove it: to others it is a folder at work.
                if {path.name for path in folder.folder.iterdir()} <= {LOCK}:
                    shutil.rmtree(folder.folder, ignore_errors=True)
    except ResourceError as error:
        if error.code != "run-locked":
            raise
        raise ResourceError(
            found=error.found.replace("the run", "the proof"), expected="a proof nobody writes to",
            fix="wait for it, or begin another proof: --name NAME", path=folder.folder, code="proof-locked",
        ) from None  # fmt: skip


def _train(plan: Plan, launcher: str, workers: int, console: Console) -> dict[str, str]:
    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    try:
        return run_jobs(plan.trainings, plan.folder, launcher, workers, say)
    except (Interrupted, KeyboardInterrupt):
        say("To go on with the proof, give the same command again: what is finished is used.")
        raise


def _conclude(plan: Plan, checked: Checked, failed: dict[str, str], console: Console) -> Outcome:
    """Scores of all that is finished, pictures, and what they say."""
    folder, asked = plan.folder, replace(plan.asked, failed=failed)
    write_asked(folder, asked)
    table = gather(folder, asked)
    folder.write_scores(table)
    # What it says comes first, so that nothing about pictures can cost it.
    proven = _say(folder, asked, table)
    shown = most_different(table, asked)
    if shown is not None:
        try:
            keep_pictures(folder, take_pictures(folder, asked, shown, checked, plan.trainings[0].settings))
            write_page(folder, asked, table, proven)
        except SegError as error:
            console.print(f"No pictures: {error}", highlight=False, markup=False, soft_wrap=True)
    return Outcome(folder.folder, proven, failed)


def _say(folder: ProofFolder, asked: Asked, table: ScoreTable) -> Proven:
    """Write the verdict, its table and the page."""
    proven = judge_scores(table, asked)
    write_text(folder.verdict, to_json(proven))
    write_table(folder, proven)
    write_page(folder, asked, table, proven)
    return proven


def _try_arms(plan: Plan, console: Console) -> None:
    """Check everything, then a few steps of every arm."""
    refuse_bad_plan(plan.trainings, console_stages(console))
    first: dict[str, Planned] = {}
    for one in plan.trainings:
        first.setdefault(one.arm.run, one)
    for name, one in first.items():
        console.print(f"Dry run of {name}", highlight=False, markup=False, soft_wrap=True)
        transfer(one.settings, dry_run=True, console=console)
