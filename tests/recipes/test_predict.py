import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from rich.console import Console

from seg.data.phantom.layouts import write_phantoms
from seg.errors import CheckpointError, DataError, UsageError
from seg.recipes.predict import predict
from seg.runs import Run

QUIET = Console(quiet=True)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two scans in a folder, turned another way and oblique."""
    return write_phantoms(
        tmp_path / "scans", "nifti", labelled=0, unlabelled=2, size=(9, 70, 60), seed=3, orientation="PIR",
        oblique_deg=10.0,
    )  # fmt: skip


def test_masks_lie_on_the_scans_own_grid(finished: Run, scans: Path, tmp_path: Path) -> None:
    outcome = predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    assert (outcome.done, outcome.skipped, outcome.failed) == (2, 0, ())
    for file in sorted((scans / "images").glob("*.nii.gz")):
        scan, mask = nibabel.load(file), nibabel.load(tmp_path / "out" / file.name)
        assert mask.shape == scan.shape
        assert np.array_equal(mask.affine, scan.affine)
        assert mask.get_data_dtype() == np.uint8
        assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 1, 3}
    assert json.loads((tmp_path / "out" / "labels.json").read_text()) == {"liver": 1, "spleen": 3}


def test_what_is_finished_is_skipped_and_a_missing_one_is_done(finished: Run, scans: Path, tmp_path: Path) -> None:
    predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    first = sorted((tmp_path / "out").glob("*.nii.gz"))[0]
    before = first.read_bytes()
    first.unlink()
    outcome = predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    assert (outcome.done, outcome.skipped) == (1, 1)
    assert first.read_bytes() == before


def test_a_mask_of_another_scan_of_the_same_name_is_neither_skipped_nor_replaced(finished, scans, tmp_path) -> None:
    predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    first, second = sorted((scans / "images").glob("*.nii.gz"))
    before = (tmp_path / "out" / first.name).read_bytes()
    first.write_bytes(second.read_bytes())
    outcome = predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    assert (outcome.done, outcome.skipped) == (0, 1)
    assert [(finding.code, Path(finding.path).name) for finding in outcome.failed] == [
        ("prediction-in-the-way", first.name)
    ]
    assert (tmp_path / "out" / first.name).read_bytes() == before


def test_files_that_no_prediction_wrote_are_neither_counted_nor_replaced(finished, scans, tmp_path) -> None:
    first = sorted((scans / "images").glob("*.nii.gz"))[0]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / first.name).write_bytes(b"an expert's mask")
    outcome = predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    assert (outcome.done, outcome.skipped, len(outcome.failed)) == (1, 0, 1)
    assert (tmp_path / "out" / first.name).read_bytes() == b"an expert's mask"


def test_masks_are_not_written_among_the_scans_nor_over_the_label_table_of_others(finished, scans, tmp_path) -> None:
    with pytest.raises(UsageError, match="one folder for the scans and for their masks"):
        predict(finished.folder, scans / "images", scans / "." / "images", console=QUIET)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.json").write_text("{}")
    with pytest.raises(UsageError, match=r"labels\.json of other masks"):
        predict(finished.folder, scans, tmp_path / "out", console=QUIET)


def test_a_smaller_batch_goes_on_with_the_same_predictions(finished, scans, tmp_path) -> None:
    predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    words = ["predict.batch_size=1"]
    assert predict(finished.folder, scans, tmp_path / "out", words, console=QUIET).skipped == 2


def test_scans_with_another_number_of_channels_are_reported_case_by_case(finished, scans, tmp_path) -> None:
    first = sorted((scans / "images").glob("*.nii.gz"))[0]
    root = tmp_path / "two"
    (root / "imagesTr").mkdir(parents=True)
    (root / "labelsTr").mkdir()
    for channel in range(2):
        shutil.copy(first, root / "imagesTr" / f"one_{channel:04d}.nii.gz")
    names = {"channel_names": {"0": "CT", "1": "T2"}, "labels": {"background": 0, "liver": 1}}
    (root / "dataset.json").write_text(json.dumps({**names, "numTraining": 1, "file_ending": ".nii.gz"}))
    outcome = predict(finished.folder, root, tmp_path / "out", console=QUIET)
    assert [finding.code for finding in outcome.failed] == ["channel-count"]


def test_a_bad_scan_is_reported_and_the_others_are_done(finished: Run, scans: Path, tmp_path: Path) -> None:
    first = sorted((scans / "images").glob("*.nii.gz"))[0]
    first.write_bytes(first.read_bytes()[:-100])
    outcome = predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    assert outcome.done == 1
    (finding,) = outcome.failed
    assert first.name in finding.path
    assert finding.fix
    assert not (tmp_path / "out" / first.name).exists()


def test_predictions_of_another_model_are_not_mixed_in(finished: Run, scans: Path, tmp_path: Path) -> None:
    predict(finished.folder, scans, tmp_path / "out", console=QUIET)
    with pytest.raises(UsageError, match="other weights or settings"):
        predict(finished.folder, scans, tmp_path / "out", ["predict.flips=left_right"], console=QUIET)


def test_probabilities_agree_with_the_labels(finished: Run, scans: Path, tmp_path: Path) -> None:
    predict(
        finished.folder, scans, tmp_path / "out", ["predict.probabilities=true", "predict.keep_largest=no"],
        console=QUIET,
    )  # fmt: skip
    name = sorted((tmp_path / "out").glob("*.nii.gz"))[0].name.removesuffix(".nii.gz")
    labels = np.asarray(nibabel.load(tmp_path / "out" / f"{name}.nii.gz").dataobj)
    chances = {
        organ: nibabel.load(tmp_path / "out" / "probabilities" / f"{name}_{organ}.nii.gz").get_fdata()
        for organ in ("liver", "spleen")
    }
    liver = (chances["liver"] >= 0.5) & (chances["liver"] >= chances["spleen"])
    assert np.array_equal(labels == 1, liver)


def test_pictures_cannot_be_predicted_by_a_model_of_volumes(finished: Run, tmp_path: Path) -> None:
    root = write_phantoms(tmp_path / "in", "pictures", labelled=1, unlabelled=0, size=(8, 64, 64), organ="liver")
    outcome = predict(finished.folder, root, tmp_path / "out", console=QUIET)
    assert outcome.done == 0
    assert {finding.code for finding in outcome.failed} == {"spacing-unit"}


def test_an_organ_names_its_best_finished_run(finished: Run, scans: Path, tmp_path: Path) -> None:
    words = [f"runs.folder={finished.folder.parent}"]
    assert predict("spleen", scans, tmp_path / "out", words, console=QUIET).done == 2
    with pytest.raises(CheckpointError, match="no run 'pancreas'"):
        predict("pancreas", scans, tmp_path / "other", words, console=QUIET)


def test_a_run_with_damaged_weights_is_refused(finished: Run, scans: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(finished.folder, broken)
    content = bytearray((broken / "model.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (broken / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="sha256"):
        predict(broken, scans, tmp_path / "out", console=QUIET)


def test_a_folder_without_scans_is_refused(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        predict(finished.folder, tmp_path / "empty", tmp_path / "out", console=QUIET)
