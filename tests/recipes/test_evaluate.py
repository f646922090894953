import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from seg.config import Settings
from seg.data.files.picture import write_picture
from seg.errors import DataError, UsageError
from seg.overrides import validate
from seg.recipes.evaluate import evaluate
from seg.records import evaluation_from_json

BLOCK = np.zeros((8, 6, 4), dtype=np.uint8)
BLOCK[2:6, 2:4, 1:3] = 1
QUICK = validate({"evaluate": {"bootstrap_samples": 100}})


@pytest.fixture
def write(tmp_path):
    """Write label arrays (i, j, k) of 1 x 1 x 2 mm; returns the folder."""

    def write(side, shift_mm=0.0, **cases):
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        affine[0, 3] = shift_mm
        (tmp_path / side).mkdir(exist_ok=True)
        for name, voxels in cases.items():
            nib.save(nib.Nifti1Image(np.asarray(voxels, dtype=np.uint8), affine), tmp_path / side / f"{name}.nii.gz")
        return tmp_path / side

    return write


def rows_of(output):
    with (output / "cases.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_two_folders_give_a_table_an_evaluation_and_a_page(write, tmp_path):
    half = BLOCK.copy()
    half[4:] = 0
    prediction = write("p", a=BLOCK, b_seg=half, c=BLOCK, extra=BLOCK)
    reference = write("r", a=BLOCK, b=BLOCK, c=np.zeros_like(BLOCK), d=BLOCK)
    progress = []
    found = evaluate(prediction, reference, tmp_path / "out", QUICK, progress=lambda *done: progress.append(done))
    dice = {score.case: score.values["dice"] for score in found.cases}
    assert dice == {"a": 1.0, "b": pytest.approx(2 / 3), "c": 0.0, "d": 0.0}
    assert found.summary["label 1"]["dice"].mean == pytest.approx((1 + 2 / 3) / 4)
    assert found.counts == {"label 1": {"reference empty": 1, "prediction missing": 1}}
    assert found.distance_unit == "mm"
    assert found.notes[0] == "1 cases have no prediction and count with the worst value: d"
    assert "left out: extra" in found.notes[1]
    assert evaluation_from_json((tmp_path / "out" / "evaluation.json").read_text()) == found
    assert len(rows_of(tmp_path / "out")) == 4
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Dice" in page
    assert "extra" in page
    assert progress[-1] == (4, 4, "d")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cases.csv", "evaluation.json", "report.html"]


def test_names_are_shown_only_when_asked_for(write, tmp_path):
    prediction, reference = write("p", mustermann=BLOCK), write("r", mustermann=BLOCK, schmidt=BLOCK)
    evaluate(prediction, reference, tmp_path / "hidden", QUICK)
    page = (tmp_path / "hidden" / "report.html").read_text() + (tmp_path / "hidden" / "cases.csv").read_text()
    assert "mustermann" not in page
    assert "schmidt" not in page
    shown = validate({"evaluate": {"bootstrap_samples": 100, "show_names": True}})
    evaluate(prediction, reference, tmp_path / "shown", shown)
    assert "mustermann" in (tmp_path / "shown" / "report.html").read_text()


def test_the_organ_that_was_asked_for_is_named_in_the_results(write, tmp_path):
    prediction, reference = write("p", a=BLOCK * 5), write("r", a=BLOCK * 5)
    found = evaluate(prediction, reference, tmp_path / "out", QUICK, organs_given=True)
    assert list(found.summary) == ["liver"]
    assert "3 mm" in found.definitions["nsd"]
    assert "Liver" in (tmp_path / "out" / "report.html").read_text()


def test_a_bad_prediction_is_reported_after_the_others_are_done(write, tmp_path):
    reference = write("r", a=BLOCK, b=BLOCK, c=BLOCK)
    prediction = write("p", a=BLOCK, b=BLOCK, c=BLOCK)
    write("p", shift_mm=0.3, b=BLOCK)
    (prediction / "c.nii.gz").write_bytes((prediction / "c.nii.gz").read_bytes()[:-20])
    with pytest.raises(DataError, match=r"2 cases with files that cannot be used \(b: .*; c: ") as caught:
        evaluate(prediction, reference, tmp_path / "out", QUICK)
    assert caught.value.code == "affine-differs"
    written = evaluation_from_json((tmp_path / "out" / "evaluation.json").read_text())
    assert [score.note for score in written.cases] == ["", "prediction missing", "prediction missing"]
    assert written.summary["label 1"]["dice"].mean == pytest.approx(1 / 3)
    assert any("b.nii.gz" in note and "0.30 voxels" in note for note in written.notes)
    assert (tmp_path / "out" / "report.html").exists()


def test_only_broken_references_leave_nothing_to_write(write, tmp_path):
    prediction, reference = write("p", a=BLOCK), write("r", a=BLOCK)
    (reference / "a.nii.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"a.nii.gz"):
        evaluate(prediction, reference, tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_folders_without_a_common_name_are_refused(write, tmp_path):
    with pytest.raises(DataError) as caught:
        evaluate(write("p", a=BLOCK), write("r", b=BLOCK), tmp_path / "out", QUICK)
    assert caught.value.code == "no-pairs"


def test_label_files_without_labels_are_refused(write, tmp_path):
    empty = np.zeros_like(BLOCK)
    with pytest.raises(DataError) as caught:
        evaluate(write("p", a=empty), write("r", a=empty), tmp_path / "out", QUICK)
    assert caught.value.code == "nothing-compared"


def test_broken_files_without_any_label_are_told(write, tmp_path):
    prediction, reference = write("p", a=np.zeros_like(BLOCK)), write("r", a=BLOCK)
    (reference / "a.nii.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"a.nii.gz") as caught:
        evaluate(prediction, reference, tmp_path / "out", QUICK)
    assert caught.value.code == "not-gzip"


def test_two_single_files_are_compared(write, tmp_path):
    prediction, reference = write("p", mine=BLOCK) / "mine.nii.gz", write("r", truth=BLOCK) / "truth.nii.gz"
    found = evaluate(prediction, reference, tmp_path / "out", QUICK)
    assert found.summary["label 1"]["hd95"].mean == 0.0


def test_an_unknown_metric_stops_before_anything_is_read(tmp_path):
    settings = QUICK.model_copy(update={"evaluate": QUICK.evaluate.model_copy(update={"metrics": ("dise",)})})
    with pytest.raises(UsageError, match="dice"):
        evaluate(tmp_path / "nowhere", tmp_path / "nowhere", tmp_path / "out", settings)


def test_pictures_are_compared_per_patient_in_pixels(tmp_path):
    for side in ("p", "r"):
        (tmp_path / side).mkdir()
        for name in ("anna_1", "anna_2", "ben_1"):
            write_picture(tmp_path / side / f"{name}.png", BLOCK[:, :, 1])
    (tmp_path / "p" / "anna_2.png").unlink()
    found = evaluate(tmp_path / "p", tmp_path / "r", tmp_path / "out", QUICK)
    dice = {score.patient: score.values["dice"] for score in found.cases}
    assert dice == {"anna": pytest.approx(2 / 3), "ben": 1.0}
    assert found.distance_unit == "px"
    assert "1 slices" in found.notes[0]
    known = validate({"data": {"spacing_mm": [0.5, 0.5]}, "evaluate": {"bootstrap_samples": 100}})
    assert evaluate(tmp_path / "p", tmp_path / "r", tmp_path / "mm", known).distance_unit == "mm"


def test_volumes_and_pictures_of_unknown_size_have_no_common_unit(write, tmp_path):
    for folder in (write("p", a=BLOCK), write("r", a=BLOCK)):
        write_picture(folder / "b_1.png", BLOCK[:, :, 1])
    with pytest.raises(DataError) as caught:
        evaluate(tmp_path / "p", tmp_path / "r", tmp_path / "out", QUICK)
    assert caught.value.code == "units-differ"


@pytest.mark.parametrize("layout", ["pictures", "nifti", "decathlon", "nnunet", "totalsegmentator"])
def test_a_data_set_in_any_layout_is_a_reference(layout, tmp_path):
    from seg.data.discover import find_data
    from seg.data.phantom.layouts import write_phantoms

    root = write_phantoms(
        tmp_path / "data", layout, labelled=2, unlabelled=1, size=(8, 32, 32), spacing_mm=(10.0, 10.0, 10.0)
    )
    data_set = find_data(root, Settings().data)
    for case in data_set.labelled:
        own = case.labels.get("liver") or case.labels[""]
        for path in own:
            suffix = "".join(part for part in (".nii.gz", ".nii", ".png") if path.endswith(part))[:7]
            name = path.rsplit("/", 1)[-1] if layout == "pictures" else f"{case.name}{suffix}"
            (tmp_path / "p").mkdir(exist_ok=True)
            (tmp_path / "p" / name).write_bytes(Path(path).read_bytes())
    organs_given = layout in ("decathlon", "nnunet", "totalsegmentator")
    found = evaluate(tmp_path / "p", root, tmp_path / "out", QUICK, organs_given)
    assert {name for organ in found.summary.values() for name, value in organ.items() if value.n == 2} >= {"dice"}
    assert all(score.values["dice"] in (1.0, None) for score in found.cases)
