import hashlib
import io
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from seg.data.phantom.layouts import write_phantoms
from seg.errors import CheckpointError, UsageError
from seg.launch.job import Failed, Job
from seg.launch.launcher import Launcher
from seg.recipes import predict as recipe
from seg.recipes.predict import PredictOutcome, predict
from seg.runs import Run

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scans of which one is cut off."""
    folder = tmp_path_factory.mktemp("cohort")
    root = write_phantoms(folder / "scans", "nifti", labelled=0, unlabelled=3, size=(8, 48, 48), seed=5)
    last = sorted((root / "images").glob("*.nii.gz"))[-1]
    last.write_bytes(last.read_bytes()[:-100])
    return root


def _masks(output: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in output.glob("*.nii.gz")}


@pytest.fixture
def alone(finished: Run, scans: Path, tmp_path: Path) -> PredictOutcome:
    """What this process makes of the scans, in the folder `alone`."""
    return predict(finished.folder, scans, tmp_path / "alone", console=QUIET)


def test_two_processes_give_the_same_masks_as_one(finished, scans, alone, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(finished.folder.parent)
    beside = predict(Path("both"), scans, tmp_path / "beside", console=QUIET, launcher="processes", workers=2)
    assert beside == alone
    assert (alone.done, alone.skipped, len(alone.failed)) == (2, 0, 1)
    assert _masks(tmp_path / "beside") == _masks(tmp_path / "alone")
    assert len(_masks(tmp_path / "alone")) == 2
    for name in ("labels.json", "predictions.json"):
        assert (tmp_path / "beside" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert "predicting: 2 of 2" in (tmp_path / "beside" / "logs" / "part-1.log").read_text()


class _Here(Launcher):
    """Runs jobs in the process of the tests, the first so often as told."""

    def __init__(self, first: Sequence[str]) -> None:
        self._first = first

    def run(self, jobs: Sequence[Job], done: Callable[[Job, str], None]) -> tuple[Failed, ...]:
        for job in jobs[1:]:
            job.function(*job.arguments)
            done(job, "finished")
        for state in self._first:
            done(jobs[0], state)
        return (Failed(jobs[0], "killed by signal 9"),)


def test_scans_of_a_part_that_died_twice_are_failures_and_are_done_the_next_time(
    finished, scans, alone, tmp_path, monkeypatch
) -> None:
    output, console = tmp_path / "out", Console(record=True, file=io.StringIO(), width=200)
    here = _Here(("started", "again: killed by signal 9", "failed: killed by signal 9"))
    monkeypatch.setattr(recipe, "open_launcher", lambda name, workers, logs: here)
    outcome = predict(finished.folder, scans, output, console=console, launcher="processes", workers=3)
    shown = console.export_text()
    assert "part-1 is tried once more: killed by signal 9" in shown
    assert "part-1 failed twice: killed by signal 9" in shown
    assert (outcome.done, outcome.skipped) == (1, 0)
    assert sorted((each.code, each.found) for each in outcome.failed if each.code == "part-failed") == [
        ("part-failed", "killed by signal 9")
    ]
    assert len(outcome.failed) == 2
    again = predict(finished.folder, scans, output, console=QUIET)
    assert (again.done, again.skipped, len(again.failed)) == (1, 1, 1)
    assert _masks(output) == _masks(tmp_path / "alone")


def test_nothing_is_written_where_nothing_can_be_launched(finished: Run, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'processes'"):
        predict(finished.folder, scans, tmp_path / "out", console=QUIET, launcher="proceses")
    assert not (tmp_path / "out").exists()


def test_a_damaged_model_is_said_once(finished: Run, copy_run, scans: Path, tmp_path: Path) -> None:
    copy = copy_run(finished, tmp_path / "copy", results={"model_sha256": "0" * 64})
    with pytest.raises(CheckpointError, match="sha256"):
        predict(copy.folder, scans, tmp_path / "out", console=QUIET, launcher="processes", workers=2)


def test_a_cohort_that_is_finished_needs_no_process(finished, scans, alone, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "kill", lambda number, what: pytest.fail(f"{signal.Signals(what)}"))
    sound = tmp_path / "sound"
    (sound / "images").mkdir(parents=True)
    for file in sorted((scans / "images").glob("*.nii.gz"))[:2]:
        (sound / "images" / file.name).write_bytes(file.read_bytes())
    outcome = predict(finished.folder, sound, tmp_path / "alone", console=QUIET, launcher="processes", workers=2)
    assert (outcome.done, outcome.skipped, outcome.failed) == (0, 2, ())
    assert not (tmp_path / "alone" / "logs").exists()
