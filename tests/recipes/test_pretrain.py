import io
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

import seg
from seg.data.discover import find_data
from seg.data.phantom.layouts import write_phantoms
from seg.data.splits import draw_split
from seg.data.streams import Batches
from seg.errors import CheckpointError, DataError, TrainingError, UsageError
from seg.models.network import build_network
from seg.models.source_weights import load_source
from seg.overrides import resolve
from seg.recipes import pretrain as recipe
from seg.recipes.listing import listing
from seg.recipes.prepare import prepare_checked
from seg.recipes.pretrain import pretrain, with_steps
from seg.recipes.report import report
from seg.recipes.restored import load_restored
from seg.recipes.trained import load_trained
from seg.recipes.unlabelled import check_scans, hold_out, with_window
from seg.runs import Run, find_run, list_runs
from seg.train import loop
from seg.train.interrupt import Interrupted
from seg.train.training import Training

QUIET = Console(quiet=True)


@pytest.fixture(scope="session")
def restored(phantoms: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished pretraining of a small network on small phantoms. Tests must not change it."""
    words = [
        "strategy=restoration", f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=64",
        f"runs.folder={tmp_path_factory.mktemp('runs')}", "model.encoder=resnet18", "model.weights=none",
        "model.decoder_channels=32,16,16,8,8", "train.steps=40", "train.batch_size=4", "train.validations=2",
        "optim.lr=3e-3", "train.precision=fp32", "train.threads=1", "train.tensorboard=false",
        "evaluate.bootstrap_samples=100",
    ]  # fmt: skip
    run = pretrain(resolve(words), console=QUIET)
    assert run is not None
    return run


@pytest.fixture
def words(small_words: list[str]) -> list[str]:
    return ["strategy=restoration", *small_words]


def test_restored_slices_of_new_patients_are_closer_to_the_originals_than_damaged_and_grey_ones(restored: Run) -> None:
    found = load_restored(restored.folder, restored.manifest().results["restoration"])
    assert found.slices == 20
    assert found.before.n == 2
    assert found.after.mean is not None
    assert found.before.mean is not None
    assert found.grey.mean is not None
    assert found.after.mean < 0.6 * found.before.mean
    assert found.after.mean < found.grey.mean
    assert restored.removed_error() == found.removed.mean


def test_the_errors_are_those_of_the_pictures(restored: Run) -> None:
    pictures = load_restored(restored.folder, restored.manifest().results["restoration"]).pictures
    assert [one.title for one in pictures] == ["Worst restored", "Best restored"]
    for one in pictures:
        assert one.original.shape == (64, 64)
        # Shown is the middle of three channels, which are neighbours and look nearly alike.
        shown = np.mean((one.restored.astype(float) - one.original) ** 2) / 255**2
        assert shown == pytest.approx(one.after, rel=0.35)
    assert pictures[0].after >= pictures[1].after


def test_the_run_carries_no_organ_and_no_organ_finds_it(restored: Run) -> None:
    manifest = restored.manifest()
    assert (manifest.verb, manifest.organs, manifest.state) == ("pretrain", (), "finished")
    assert restored.name.startswith("pretrain-")
    assert manifest.results["validation_dice"] is None
    assert json.loads((restored.folder / "plan.json").read_text())["organs"] == []
    with pytest.raises(CheckpointError, match="no run 'liver'"):
        find_run("liver", restored.folder.parent)
    assert find_run(restored.name, restored.folder.parent) == restored
    (row,) = listing("runs", restored.folder.parent).rows
    assert row[1:3] == ("pretrain", "finished")


def test_nobody_who_would_be_tested_is_learned_from_and_no_label_is_read(restored: Run, phantoms: Path) -> None:
    split = json.loads((restored.folder / "split.json").read_text())
    settings = restored.settings()
    tested = draw_split(find_data(phantoms, settings.data), settings.split, settings.data).test
    assert tuple(split["test"]) == tested != ()
    assert (split["train"], split["validation"]) == ([], [])
    assert len(split["unlabelled"]) + len(split["test"]) == 10
    data = restored.manifest().data
    assert data["training_slices"] == 80
    assert not set(data["case_sha256"]) & set(tested)
    assert not set(data["prepared"]) & set(tested)


def test_encoder_and_decoder_move_to_an_organ_and_the_heads_do_not(restored: Run) -> None:
    torch.manual_seed(1)
    settings = restored.settings()
    network, _ = build_network(settings.model, 1, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_source(network, restored.model, parts="all", source_organs=restored.manifest().organs, organs=("liver",))
    kept = load_file(restored.model)
    for name, tensor in network.state_dict().items():
        heads = name.startswith(("mask_head.", "edge_head."))
        assert torch.equal(tensor, before[name] if heads else kept[name])
    assert any(not torch.equal(before[name], kept[name]) for name in kept if name.startswith("decoder."))


def test_the_heads_of_organs_are_as_they_started(restored: Run) -> None:
    settings = restored.settings()
    torch.manual_seed(settings.train.seed)
    network, _ = build_network(settings.model, 1, 3)
    kept = load_file(restored.model)
    assert set(kept) == set(network.state_dict())
    for name, tensor in network.state_dict().items():
        if name.startswith(("mask_head.", "edge_head.")):
            assert torch.equal(tensor, kept[name])


def test_a_transfer_goes_on_from_a_pretraining(restored: Run, words: list[str]) -> None:
    given = [word for word in words if not word.startswith(("strategy", "organ", "model."))]
    run = seg.transfer(
        str(restored.folder), "liver", [*given, "train.steps=2", "train.validations=1", "transfer.guard=false"]
    )
    assert run is not None
    assert run.manifest().organs == ("liver",)
    assert run.settings().model.encoder == "resnet18"
    assert run.evaluation() is not None


def test_restoration_joins_a_transfer_as_a_term_of_its_own(restored: Run, words: list[str]) -> None:
    given = [word for word in words if not word.startswith(("strategy", "organ", "model."))]
    run = seg.transfer(
        str(restored.folder), "liver", [*given, "train.steps=1", "train.validations=1", "transfer.guard=false"],
        strategy=["supervised", "restoration"],
    )  # fmt: skip
    assert run is not None
    assert {"loss/mask", "loss/restoration"} <= set(run.curve_rows()[0].values)


def test_the_page_shows_restoration_and_hides_names(restored: Run) -> None:
    html = report(restored).read_text(encoding="utf-8")
    assert "On 2 patients never used for training, restoration removes" in html
    assert html.count("<img ") == 6
    assert "What was restored" in html
    assert "inside the organs" not in html
    assert "phantom0" not in html


def test_a_pretraining_predicts_nothing_and_says_so(restored: Run) -> None:
    with pytest.raises(UsageError, match="predicts no organ"):
        load_trained(restored, restored.settings())


def test_a_dry_run_prints_a_plan_and_keeps_nothing(words: list[str], tmp_path: Path) -> None:
    text = io.StringIO()
    assert pretrain(resolve(words), dry_run=True, console=Console(file=text, width=200)) is None
    assert "training slices  80" in text.getvalue()
    assert "estimated time" in text.getvalue()
    assert not (tmp_path / "runs").exists()


def test_an_interrupted_pretraining_ends_with_the_same_weights_as_one_that_was_not(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_step = loop.take_step

    def interrupt(training: Training, batches: Batches, number: int) -> dict[str, Tensor]:
        terms = take_step(training, batches, number)
        if number == 1:
            monkeypatch.setattr(loop, "take_step", take_step)
            os.kill(os.getpid(), signal.SIGINT)
        return terms

    whole = pretrain(resolve([*words, "runs.name=whole"]), console=QUIET)
    settings = resolve([*words, "runs.name=again"])
    monkeypatch.setattr(loop, "take_step", interrupt)
    with pytest.raises(Interrupted):
        pretrain(settings, console=QUIET)
    run = Run(Path(settings.runs.folder) / "again")
    assert (run.manifest().state, run.manifest().verb) == ("interrupted", "pretrain")
    assert [path.name for path in run.checkpoints.glob("step-*")] == ["step-00000002"]
    resumed = seg.train(resume=run)
    assert resumed == run
    assert whole is not None
    assert run.manifest().state == "finished"
    expected, found = load_file(whole.model), load_file(run.model)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert run.manifest().results["restoration"] == whole.manifest().results["restoration"]


def test_a_pretraining_that_fails_says_so_in_its_manifest(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise TrainingError(found="a loss that is not finite", expected="numbers", fix="look", code="not-finite")

    settings = resolve([*words, "runs.name=bad"])
    monkeypatch.setattr(recipe, "fit", fails)
    with pytest.raises(TrainingError):
        pretrain(settings, console=QUIET)
    manifest = Run(Path(settings.runs.folder) / "bad").manifest()
    assert (manifest.state, manifest.organs) == ("failed", ())


@pytest.mark.parametrize("extra", ["strategy=supervised", "strategy=supervised,restoration", "transfer.source=liver"])
def test_other_routes_are_refused_before_the_data_are_read(extra: str, words: list[str], monkeypatch) -> None:
    monkeypatch.setattr(recipe, "check_scans", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(UsageError) as refused:
        pretrain(resolve([*words, extra]), console=QUIET)
    assert refused.value.code == "pretrain-route"


def test_the_verb_needs_no_strategy_and_says_what_was_reached(small_words: list[str], capsys) -> None:
    from seg.cli import main

    steps = ("train.steps=1", "train.validations=1", "split.test_fraction=0.1")
    assert main(["pretrain", *small_words, *steps]) == 0
    (folder,) = (word.removeprefix("runs.folder=") for word in small_words if word.startswith("runs.folder="))
    (run,) = list_runs(Path(folder))
    shown = capsys.readouterr().out
    assert f"Restoration removes {run.removed_error():.3f} of" in shown
    assert run.name in shown.replace("\n", "")


@pytest.mark.parametrize("layout", ["pictures", "nifti", "nnunet", "totalsegmentator", "decathlon"])
def test_scans_without_any_label_are_enough_in_every_layout(layout: str, tmp_path: Path, words: list[str]) -> None:
    organ = "liver" if layout in ("pictures", "nifti") else None
    root = write_phantoms(tmp_path / "in", layout, labelled=0, unlabelled=4, size=(8, 64, 64), organ=organ)
    run = pretrain(resolve([*words, f"data.root={root}", "train.steps=1", "train.validations=1"]), console=QUIET)
    assert run is not None
    assert run.manifest().results["restoration"]["slices"] > 0
    assert run.manifest().data["patients"] == {"train": 0, "validation": 0, "test": 1, "unlabelled": 3}


def test_labels_that_are_broken_do_not_matter(phantoms: Path, words: list[str], tmp_path: Path) -> None:
    root = tmp_path / "scans"
    shutil.copytree(phantoms, root)
    for label in (root / "labelsTr").glob("*.nii.gz"):
        label.write_bytes(b"no label")
    settings = resolve([*words, f"data.root={root}"])
    assert len(check_scans(settings, lambda stage: lambda *_: None).split.test) == 2


def test_broken_scans_matter(phantoms: Path, words: list[str], tmp_path: Path) -> None:
    root = tmp_path / "scans"
    shutil.copytree(phantoms, root)
    next((root / "imagesTr").glob("*.nii.gz")).write_bytes(b"no scan")
    with pytest.raises(DataError, match="1 problem in the data"):
        pretrain(resolve([*words, f"data.root={root}"]), console=QUIET)


def test_the_test_patients_of_a_saved_split_are_held_out(restored: Run, phantoms: Path, words: list[str]) -> None:
    split = json.loads((restored.folder / "split.json").read_text())
    data_set = find_data(phantoms, resolve(words).data)
    found = hold_out(data_set, resolve([*words, f"split.file={restored.folder / 'split.json'}", "split.seed=5"]))
    assert list(found.test) == split["test"]
    assert hold_out(data_set, resolve([*words, "split.seed=5"])).test != found.test


def test_a_lone_patient_is_learned_from_and_nothing_is_claimed(tmp_path: Path, words: list[str]) -> None:
    root = write_phantoms(tmp_path / "in", "decathlon", labelled=1, unlabelled=0, size=(8, 64, 64))
    run = pretrain(resolve([*words, f"data.root={root}", "train.steps=1", "train.validations=1"]), console=QUIET)
    assert run is not None
    assert run.removed_error() is None
    assert "nothing says how well scans are restored" in run.report.read_text(encoding="utf-8")


def test_the_window_is_that_of_the_organs_unless_it_is_given(words: list[str]) -> None:
    both = with_window(resolve([*words, "organ=liver,pancreas"])).prepare.window_hu
    each = [with_window(resolve([*words, f"organ={organ}"])).prepare.window_hu for organ in ("liver", "pancreas")]
    assert None not in each
    assert both == (min(low for low, _ in each), max(high for _, high in each))
    given = resolve([*words, "prepare.window_hu=[-1000,1000]"])
    assert with_window(given).prepare.window_hu == (-1000, 1000)


def test_epochs_are_passes_over_the_unlabelled_slices(words: list[str]) -> None:
    settings = with_window(resolve([*words, "train.epochs=2.5", "train.unlabelled_batch_size=3"]))
    quiet = lambda stage: lambda *_: None  # noqa: E731
    prepared = prepare_checked(check_scans(settings, quiet), settings, quiet)
    counted = with_steps(settings, prepared).train
    assert (counted.steps, counted.epochs) == (-(-int(2.5 * 80) // 3), None)
    assert with_steps(resolve(words), prepared).train.steps == 4
