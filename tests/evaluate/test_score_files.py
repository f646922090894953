import numpy as np
import pytest

from seg.config import Settings
from seg.data.organs import OrganSource
from seg.evaluate.compared import Compared
from seg.evaluate.pairs import Pair
from seg.evaluate.score_files import score_files
from seg.overrides import validate
from seg.records import Case

LIVER = OrganSource("liver", (1,), ())
BY_VALUE = Compared("liver", "Liver", 2.0, LIVER, LIVER)
MASKS = OrganSource("liver", (), ("liver",), ("liver_tumour",))
BY_FILE = Compared("liver", "Liver", 2.0, MASKS, MASKS)
BOTH_MASKS = OrganSource("kidneys", (), ("kidney_left", "kidney_right"))


@pytest.fixture
def volume(tmp_path, write_labels):
    def make(reference, prediction, **more):
        case = Case("a", "a", "volume", (), {"": (str(write_labels(tmp_path / "r.nii.gz", reference)),)})
        files = () if prediction is None else (write_labels(tmp_path / "p.nii.gz", prediction, **more),)
        return Pair(case, {"": files} if files else {})

    return make


def test_a_volume_is_scored_in_millimetres_whatever_its_orientation(volume, filled):
    found = score_files(volume(filled, np.roll(filled, 1, axis=2), turned=True), [BY_VALUE], Settings())
    assert found.problem is None
    values = found.scores[0].values
    assert values["dice"] == pytest.approx(0.75)
    assert values["hd95"] == pytest.approx(0.5)
    assert values["nsd"] == 1.0
    assert values["volume_difference"] == 0.0


def test_a_missing_prediction_has_the_worst_values(volume, filled):
    (score,) = score_files(volume(filled, None), [BY_VALUE], Settings()).scores
    assert (score.note, score.values["dice"]) == ("prediction missing", 0.0)


def test_a_prediction_on_another_grid_counts_as_missing_and_is_told(volume, filled):
    found = score_files(volume(filled, filled, offset_mm=3.0), [BY_VALUE], Settings())
    assert found.scores[0].note == "prediction missing"
    assert found.problem.code == "affine-differs"
    assert "p.nii.gz" in str(found.problem)
    assert "r.nii.gz" in str(found.problem)


def test_a_broken_prediction_counts_as_missing_and_is_told(volume, filled):
    pair = volume(filled, filled)
    pair.prediction[""][0].write_bytes(b"broken")
    found = score_files(pair, [BY_VALUE], Settings())
    assert found.scores[0].note == "prediction missing"
    assert found.problem is not None


def test_a_broken_reference_gives_no_score(volume, filled, tmp_path):
    pair = volume(filled, filled)
    (tmp_path / "r.nii.gz").write_bytes(b"broken")
    found = score_files(pair, [BY_VALUE], Settings())
    assert found.scores == ()
    assert "r.nii.gz" in str(found.problem)


def test_a_picture_for_a_volume_is_refused(volume, filled, tmp_path, write_slice):
    pair = volume(filled, None)
    pair.prediction[""] = (write_slice(tmp_path / "p.png", filled[0]),)
    found = score_files(pair, [BY_VALUE], Settings())
    assert found.problem.code == "kinds-differ"


def test_ignored_voxels_are_left_out(volume, filled):
    labels = filled.astype(np.uint8)
    labels[:, :, 4:] *= 9
    found = score_files(volume(labels, filled), [BY_VALUE], Settings(), ignore_value=9)
    assert found.scores[0].values["dice"] == 1.0
    assert score_files(volume(labels, filled), [BY_VALUE], Settings()).scores[0].values["dice"] < 1.0


def test_mask_files_are_united_and_a_lacking_one_is_a_missing_prediction(tmp_path, write_labels, filled):
    empty, right = np.zeros_like(filled), np.roll(filled, 2, axis=2)
    names = {"liver": filled, "liver_tumour": right, "kidney_left": filled, "kidney_right": empty}
    written = {name: write_labels(tmp_path / f"{name}.nii.gz", mask) for name, mask in names.items()}
    case = Case("a", "a", "volume", (), {name: (str(path),) for name, path in written.items()})
    kidneys = Compared("kidneys", "Kidneys", 2.0, BOTH_MASKS, BOTH_MASKS)
    pair = Pair(case, {name: (path,) for name, path in written.items() if name != "kidney_right"})
    liver, both = score_files(pair, [BY_FILE, kidneys], Settings()).scores
    assert (liver.note, liver.values["dice"]) == ("", 1.0)
    assert (both.note, both.values["dice"]) == ("prediction missing", 0.0)
    united = Pair(case, {"liver": (written["liver"],)})
    (without_tumour,) = score_files(united, [BY_FILE], Settings()).scores
    assert without_tumour.values["recall"] == pytest.approx(filled.sum() / (filled | right).sum())
    assert score_files(Pair(case, {"heart": (written["liver"],)}), [BY_FILE], Settings()).scores[0].note == (
        "prediction missing"
    )


def test_a_reference_without_the_mask_of_the_organ_is_told(tmp_path, write_labels, filled):
    path = write_labels(tmp_path / "spleen.nii.gz", filled)
    pair = Pair(Case("case7", "p", "volume", (), {"spleen": (str(path),)}), {"liver": (path,)})
    found = score_files(pair, [BY_FILE], Settings())
    assert found.scores == ()
    assert (found.problem.code, found.problem.path) == ("mask-missing", "case7")


def test_lone_slices_are_scored_over_the_patient_and_measured_within_a_slice(tmp_path, write_slice):
    one, other = np.zeros((2, 2, 6, 6), dtype=bool)
    one[0, 1, 1:3] = other[0, 1, 1:3] = one[1, 3, 3] = other[1, 3, 5] = True
    paths = {
        side: tuple(write_slice(tmp_path / side / f"p_{z}.png", labels[z]) for z in range(2))
        for side, labels in (("p", one), ("r", other))
    }
    case = Case("p", "p", "slices", (), {"": tuple(map(str, paths["r"]))}, ("0", "1"))
    (pixels,) = score_files(Pair(case, {"": paths["p"]}), [BY_VALUE], Settings()).scores
    assert pixels.values["dice"] == pytest.approx(2 / 3)
    assert pixels.values["assd"] == pytest.approx(2 * 2 / 6)
    known = validate({"data": {"spacing_mm": [0.5, 0.25]}})
    (millimetres,) = score_files(Pair(case, {"": paths["p"]}), [BY_VALUE], known).scores
    assert millimetres.values["assd"] == pytest.approx(2 * 0.5 / 6)
    (half,) = score_files(Pair(case, {"": (paths["p"][0], None)}), [BY_VALUE], Settings()).scores
    assert half.values["dice"] == pytest.approx(4 / 5)
    assert half.note == ""
