import csv

import pytest
from rich.console import Console
from safetensors.torch import load_file

from seg.overrides import resolve
from seg.recipes.train import train
from seg.runs import Run


@pytest.fixture(scope="module")
def run(phantoms, cache, tmp_path_factory) -> Run:
    """Three labelled livers, the others without labels, no source. Tests must not change it."""
    words = [
        "organ=liver", f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=64", "train.threads=1",
        f"runs.folder={tmp_path_factory.mktemp('taught')}", "model.encoder=tu-test_resnet", "model.weights=none",
        "model.decoder_channels=8,8,8,8,8", "train.steps=10", "train.batch_size=2", "train.unlabelled_batch_size=3",
        "train.validations=2", "train.precision=fp32", "train.tensorboard=false", "evaluate.bootstrap_samples=100",
        "strategy=mean_teacher", "data.labelled=3",
    ]  # fmt: skip
    finished = train(resolve(words), console=Console(quiet=True))
    assert finished is not None
    return finished


def test_a_training_without_a_source_is_taught_on_its_unlabelled_patients(run: Run) -> None:
    manifest = run.manifest()
    assert manifest.state == "finished"
    assert manifest.data["patients"]["unlabelled"] > 0
    assert any(row.values.get("loss/consistency", 0) > 0 for row in run.curve_rows())
    assert manifest.results["best_of"] in ("teacher", "student")
    assert load_file(run.student).keys() == load_file(run.model).keys()


def test_without_a_source_fine_tuning_slows_nothing_down(run: Run) -> None:
    rows = csv.DictReader((run.folder / "weights.csv").read_text(encoding="utf-8").splitlines())
    assert {row["learning rate factor"] for row in rows} == {"", "1"}


def test_the_report_says_which_of_the_two_was_kept(run: Run) -> None:
    page, kept = run.report.read_text(encoding="utf-8"), run.manifest().results
    assert f"The model is the {kept['best_of']} of step {kept['best_step']}" in page
    assert "Distance of the student" in page
