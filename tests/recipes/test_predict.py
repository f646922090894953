import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from rich.console import Console

from seg.data.phantom_layouts import write_phantoms
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
