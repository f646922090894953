import io
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from rich.console import Console

from seg.data.plan import plan_from_json
from seg.errors import DataError, ResourceError, TrainingError, UsageError
from seg.lock import held
from seg.overrides import resolve
from seg.recipes import train as recipe
from seg.recipes.train import refuse_mirrored_pairs, train, wanted_steps
from seg.runs import Run
from seg.train import loop
from seg.train.interrupt import Interrupted

QUIET = Console(quiet=True)


def test_a_finished_run_holds_everything_about_itself(finished: Run) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    assert names >= {
        "config.yaml", "manifest.json", "plan.json", "split.json", "model.safetensors", "last.safetensors",
        "checkpoints", "curve.jsonl", "cases.csv", "evaluation.json", "pictures.npz", "report.html", "log.txt",
        "predictions", "weights.csv",
    }  # fmt: skip
    manifest = finished.manifest()
    assert (manifest.state, manifest.organs) == ("finished", ("liver", "spleen"))
    assert manifest.results["steps"] == 40
    assert manifest.results["training_s"] > 0
    assert set(manifest.results["keep_largest"]) == {"liver", "spleen"}
    assert manifest.data["patients"]["test"] >= 1
    assert plan_from_json((finished.folder / "plan.json").read_text()).organ_values == (1, 3)
    assert finished.settings().train.steps == 40


def test_only_patients_that_were_kept_back_are_scored(finished: Run) -> None:
    split = json.loads((finished.folder / "split.json").read_text())
    evaluation = finished.evaluation()
    assert evaluation is not None
    assert {score.patient for score in evaluation.cases} == set(split["test"])
    assert not set(split["test"]) & {*split["train"], *split["validation"], *split["unlabelled"]}
    assert not set(finished.manifest().data["case_sha256"]) & set(split["test"])


def test_the_scores_are_those_of_the_written_predictions(finished: Run, phantoms: Path) -> None:
    import nibabel
    import numpy as np

    evaluation = finished.evaluation()
    assert evaluation is not None
    values = json.loads((finished.predictions / "labels.json").read_text())
    for score in evaluation.cases:
        prediction = np.asarray(nibabel.load(finished.predictions / f"{score.case}.nii.gz").dataobj)
        reference = np.asarray(nibabel.load(phantoms / "labelsTr" / f"{score.case}.nii.gz").dataobj)
        one, other = prediction == values[score.organ], reference == values[score.organ]
        assert score.values["dice"] == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_patients_names_are_in_neither_report_nor_table(finished: Run) -> None:
    for name in ("report.html", "cases.csv"):
        assert "phantom0" not in (finished.folder / name).read_text()


def test_a_dry_run_prints_a_plan_and_keeps_nothing(small_words: list[str], tmp_path: Path) -> None:
    text = io.StringIO()
    assert train(resolve(small_words), dry_run=True, console=Console(file=text, width=200)) is None
    for word in ("training slices", "4 of 4 slices", "memory", "estimated time", "fp32 on cpu"):
        assert word in text.getvalue()
    assert not (tmp_path / "runs").exists()


def test_an_interrupted_run_goes_on_by_the_same_command(small_words: list[str], monkeypatch) -> None:
    validate = loop._validate

    def interrupt(*given) -> None:
        validate(*given)
        os.kill(os.getpid(), signal.SIGINT)

    settings = resolve([*small_words, "runs.name=again"])
    with monkeypatch.context() as patched:
        patched.setattr(loop, "_validate", interrupt)
        with pytest.raises(Interrupted) as ended:
            train(settings, console=QUIET)
    assert ended.value.code == 130
    run = Run(Path(settings.runs.folder) / "again")
    assert run.manifest().state == "interrupted"
    assert run.model.exists()
    assert train(settings, console=QUIET) == run
    assert "Going on after step" in (run.folder / "log.txt").read_text()
    assert run.manifest().state == "finished"
    assert run.manifest().results["steps"] == 4


def test_a_run_is_not_resumed_on_changed_scans_or_labels(finished: Run, tmp_path: Path) -> None:
    import nibabel
    import numpy as np

    root = tmp_path / "scans"
    shutil.copytree(finished.settings().data.root, root)
    moved = Run(tmp_path / "run")
    shutil.copytree(finished.folder, moved.folder)
    settings = resolve([f"data.root={root}"], [moved.folder / "config.yaml"])
    name = json.loads((moved.folder / "split.json").read_text())["train"][0]
    message = f"1 changed scans or labels .{name}."
    for kind in ("labelsTr", "imagesTr"):
        file = root / kind / f"{name}.nii.gz"
        whole = nibabel.load(file)
        voxels = np.asarray(whole.dataobj).copy()
        voxels[30:34, 30:34] = 1
        nibabel.save(nibabel.Nifti1Image(voxels, whole.affine, whole.header), file)
        with pytest.raises(DataError, match=message) as refused:
            train(settings, resume=moved, console=QUIET)
        assert refused.value.code == "resume-data"


def test_a_resume_removes_what_a_killed_process_was_writing(finished: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(finished.folder, run.folder)
    (run.checkpoints / ".tmp-0123-step-00000008").mkdir()
    (run.folder / ".tmp-0123-model.safetensors").write_bytes(b"half")
    train(run.settings(), resume=run, console=QUIET)
    assert not list(run.folder.rglob(".tmp-*"))


def test_metrics_without_dice_are_judged_and_reported(small_words: list[str]) -> None:
    run = train(resolve([*small_words, "evaluate.metrics=hd95", "train.steps=1"]), console=QUIET)
    assert run is not None
    evaluation = run.evaluation()
    assert evaluation is not None
    assert list(evaluation.summary["liver"]) == ["hd95"]
    assert {tuple(score.values) for score in evaluation.cases} == {("hd95",)}
    assert run.manifest().state == "finished"


def test_a_training_that_fails_says_so_in_its_manifest(small_words: list[str], monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise TrainingError(found="a loss that is not finite", expected="numbers", fix="look", code="not-finite")

    settings = resolve([*small_words, "runs.name=bad"])
    monkeypatch.setattr(recipe, "fit", fails)
    with pytest.raises(TrainingError):
        train(settings, console=QUIET)
    manifest = Run(Path(settings.runs.folder) / "bad").manifest()
    assert manifest.state == "failed"
    assert "not finite" in manifest.results["error"]


def test_a_run_in_use_is_refused(small_words: list[str], finished: Run) -> None:
    with held(finished.folder), pytest.raises(ResourceError, match="in use by process"):
        train(finished.settings(), resume=finished, console=QUIET)


def test_bad_data_stop_before_a_run_is_made(small_words: list[str], tmp_path: Path) -> None:
    root = tmp_path / "scans" / "images"
    root.mkdir(parents=True)
    (root / "p_1.png").write_bytes(b"not a picture")
    (tmp_path / "scans" / "labels").mkdir()
    (tmp_path / "scans" / "labels" / "p_1.png").write_bytes(b"nor this")
    with pytest.raises(DataError, match="problems in the data") as refused:
        train(resolve([*small_words, f"data.root={tmp_path / 'scans'}"]), console=QUIET)
    assert refused.value.exit_code == 3
    assert "p_1.png" in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_mirroring_left_and_right_is_refused_for_paired_organs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = resolve(["organ=kidneys", "augment.flip=left_right"])
    refuse_mirrored_pairs(settings)
    paired = recipe.load_organ("kidneys").model_copy(update={"paired": True})
    monkeypatch.setattr(recipe, "load_organ", lambda _: paired)
    with pytest.raises(UsageError, match="left_right"):
        refuse_mirrored_pairs(settings)


def test_one_slice_of_the_smallest_size_is_refused_before_the_data_are_read(small_words, monkeypatch) -> None:
    monkeypatch.setattr(recipe, "check_and_split", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(UsageError, match=r"train\.batch_size=1"):
        train(resolve([*small_words, "train.batch_size=1", "prepare.size_px=32"]), console=QUIET)


def test_epochs_become_steps(small_words: list[str]) -> None:
    from seg.recipes.prepare import prepare

    settings = resolve([*small_words, "train.epochs=2.5"])
    prepared = prepare(settings)
    slices = sum(len(case.organ_slices) for case in prepared.train)
    background = min(int(slices * 0.33 / 0.67), sum(map(len, prepared.train)) - slices)
    assert wanted_steps(settings, prepared.train) == -(-int(2.5 * (slices + background)) // 4)


@pytest.mark.parametrize("layout", ["pictures", "nifti", "nnunet", "totalsegmentator"])
def test_every_layout_trains_for_two_steps(layout: str, tmp_path: Path, small_words: list[str]) -> None:
    from seg.data.phantom.layouts import write_phantoms

    organ = "liver" if layout in ("pictures", "nifti") else None
    root = write_phantoms(tmp_path / "in", layout, labelled=4, unlabelled=1, size=(8, 64, 64), organ=organ)
    run = train(resolve([*small_words, f"data.root={root}", "train.steps=2"]), console=QUIET)
    assert run is not None
    evaluation = run.evaluation()
    assert evaluation is not None
    assert evaluation.summary["liver"]["dice"].n >= 1
    assert evaluation.distance_unit == ("px" if layout == "pictures" else "mm")


def test_one_labelled_patient_trains_and_the_report_says_that_nothing_was_judged(tmp_path, small_words) -> None:
    from seg.data.phantom.layouts import write_phantoms

    root = write_phantoms(tmp_path / "in", "decathlon", labelled=1, unlabelled=0, size=(8, 64, 64))
    run = train(resolve([*small_words, f"data.root={root}", "train.steps=2"]), console=QUIET)
    assert run is not None
    assert run.evaluation() is None
    assert "No patient was kept back" in run.report.read_text()


def test_weights_that_are_not_there_are_noticed_before_the_data_are_read(small_words, monkeypatch) -> None:
    from seg.errors import CheckpointError

    monkeypatch.setattr(recipe, "check_and_split", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(CheckpointError, match=r"model\.weights=none"):
        train(resolve([*small_words, "model.weights=imagenet", "model.encoder=resnet50"]), console=QUIET)
    with pytest.raises(UsageError, match="imagenet, none, auto, or a"):
        train(resolve([*small_words, "model.weights=imagnet"]), console=QUIET)
    with pytest.raises(UsageError, match="resnet50"):
        train(resolve([*small_words, "model.encoder=resnet51"]), console=QUIET)


def test_a_weight_file_that_is_not_there_is_noticed_before_the_data_are_read(small_words, monkeypatch) -> None:
    from seg.errors import CheckpointError

    monkeypatch.setattr(recipe, "check_and_split", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(CheckpointError, match=r"nofile\.pth: found no such file"):
        train(resolve([*small_words, "model.weights=nofile.pth"]), console=QUIET)


def test_model_files_can_be_read_by_those_who_may_read_the_run(finished: Run) -> None:
    assert finished.model.stat().st_mode & 0o044 == 0o044
