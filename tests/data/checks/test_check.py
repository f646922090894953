import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seg.config import Data, Organ
from seg.data.checks.check import check_data, check_root
from seg.data.discover import find_data
from seg.data.files import nifti
from seg.errors import UsageError
from seg.records import Case, DataSet

LIVER = Organ(name="liver", label_names=("liver",), joined_names=("liver_tumour",))
KIDNEYS = Organ(name="kidneys", label_names=("kidney_left", "kidney_right"))
SHAPE = (40, 36, 6)


@pytest.fixture
def put(tmp_path, nifti_bytes):
    def write(path, voxels, affine=None, **fields):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(nifti_bytes(voxels, affine, **fields))
        return target

    return write


@pytest.fixture
def show(tmp_path):
    def write(path, array):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(tmp_path / path)

    return write


def scan(seed=0):
    return np.random.default_rng(seed).integers(-1000, 400, SHAPE).astype(np.int16)


def label(*boxes):
    array = np.zeros(SHAPE, np.uint8)
    for value, (low, high) in enumerate(boxes, start=1):
        array[low:high, 5:10, 2:4] = value
    return array


def test_facts_hold_what_was_read(put, tmp_path):
    voxels = scan()
    put("images/a.nii.gz", voxels)
    put("labels/a.nii.gz", label((0, 7)))
    report = check_root(tmp_path, [LIVER], Data())
    (facts,) = report.facts
    assert (facts.case, facts.patient) == ("a", "a")
    assert facts.shape == (6, 36, 40)
    assert facts.spacing_mm == (2.0, 1.0, 1.0)
    assert (facts.minimum, facts.maximum) == (voxels.min(), voxels.max())
    assert facts.organ_voxels == {"liver": 7 * 5 * 2}
    assert report.label_values == (1,)


def test_facts_of_pictures_cover_all_slices(show, tmp_path):
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(40, 50), (60, 44)]):
        show(f"images/a_{number}.png", rng.integers(10, 200, shape).astype(np.uint8))
        drawn = np.zeros(shape, np.uint8)
        drawn[:5, : number + 1] = 255
        show(f"labels/a_{number}.png", drawn)
    (facts,) = check_root(tmp_path, [LIVER], Data()).facts
    assert facts.shape == (2, 60, 50)
    assert facts.spacing_mm is None
    assert facts.organ_voxels == {"liver": 15}


def test_overlapping_mask_files_are_counted_once(put, tmp_path):
    put("s1/ct.nii.gz", scan())
    put("s1/segmentations/kidney_left.nii.gz", label((0, 8)))
    put("s1/segmentations/kidney_right.nii.gz", label((5, 12)))
    (facts,) = check_root(tmp_path, [KIDNEYS], Data()).facts
    assert facts.organ_voxels == {"kidneys": 12 * 5 * 2}


def test_mask_files_that_no_organ_needs_are_not_read(put, tmp_path):
    put("s1/ct.nii.gz", scan())
    put("s1/segmentations/liver.nii.gz", label((0, 8)))
    (tmp_path / "s1/segmentations/heart.nii.gz").write_bytes(b"")
    assert check_root(tmp_path, [LIVER], Data()).errors == ()


def test_masks_without_a_readable_image_are_held_against_each_other(put, tmp_path):
    put("s1/ct.nii.gz", scan()).write_bytes(b"")
    put("s1/segmentations/kidney_left.nii.gz", label((0, 8)))
    put("s1/segmentations/kidney_right.nii.gz", label((0, 8))[:, :, :5])
    errors = check_root(tmp_path, [KIDNEYS], Data()).errors
    assert {error.code for error in errors} == {"empty-file", "shape-differs"}


def test_masks_that_none_can_be_matched_to_an_organ_are_one_error(put, tmp_path):
    put("s1/ct.nii.gz", scan())
    put("s1/segmentations/heart.nii.gz", label((0, 8)))
    codes = [error.code for error in check_root(tmp_path, [LIVER], Data()).errors]
    assert set(codes) == {"organ-not-found"}


def test_an_orientation_that_differs_alone_is_fine(put, tmp_path):
    voxels = scan()
    put("images/a.nii.gz", voxels, np.diag([1.0, 1.0, 2.0, 1.0]))
    turned = np.diag([-1.0, 1.0, 2.0, 1.0])
    turned[0, 3] = SHAPE[0] - 1
    put("labels/a.nii.gz", label((0, 7))[::-1], turned)
    report = check_root(tmp_path, [LIVER], Data())
    assert [finding.code for finding in report.findings] == ["few-labels"]
    assert report.facts[0].organ_voxels == {"liver": 70}


def test_copies_are_found_whatever_their_pixel_type(put, tmp_path):
    put("images/a.nii.gz", scan())
    put("images/b.nii.gz", scan().astype(np.float64))
    put("labels/a.nii.gz", label((0, 7)))
    report = check_root(tmp_path, [LIVER], Data())
    copies = [error for error in report.errors if error.code == "duplicate-voxels"]
    assert [error.path for error in copies] == ["images/b.nii.gz"]
    assert "images/a.nii.gz" in copies[0].found
    assert report.facts[0].voxel_sha256 == report.facts[1].voxel_sha256


def test_black_slices_are_no_copies_of_each_other(show, tmp_path):
    for patient in "ab":
        show(f"images/{patient}_1.png", np.zeros((40, 40), np.uint8))
        show(f"images/{patient}_2.png", np.random.default_rng(ord(patient)).integers(0, 9, (40, 40)).astype(np.uint8))
    codes = [finding.code for finding in check_root(tmp_path, [LIVER], Data()).findings]
    assert codes.count("constant-slice") == 2
    assert "duplicate-voxels" not in codes


def test_what_was_tolerated_is_a_note(put, tmp_path):
    gaps = scan().astype(np.float32)
    gaps[0, 0, 0] = np.nan
    put("images/a.nii.gz", gaps)
    put("labels/a.nii.gz", label((0, 7)))
    (tmp_path / "images" / "notes.txt").write_text("x")
    report = check_root(tmp_path, [LIVER], Data(nan_to=-1000.0))
    notes = [finding.found for finding in report.findings if finding.severity == "note"]
    assert any("not finite" in note for note in notes)
    assert any("notes.txt" in note for note in notes)
    assert report.errors == ()


def test_findings_come_with_the_worst_first(put, tmp_path):
    for name in "ab":
        put(f"images/{name}.nii.gz", scan(ord(name)))
        put(f"labels/{name}.nii.gz", label((0, 7)))
    (tmp_path / "images" / "c.nii.gz").write_bytes(b"")
    (tmp_path / "images" / "notes.txt").write_text("x")
    severities = [finding.severity for finding in check_root(tmp_path, [LIVER], Data()).findings]
    assert severities == ["error", "warning", "note"]


def test_the_listener_hears_of_every_case(put, tmp_path):
    put("images/a.nii.gz", scan(1))
    put("images/b.nii.gz", scan(2))
    heard = []
    check_data(find_data(tmp_path, Data()), [LIVER], Data(), lambda *said: heard.append(said))
    assert heard == [(1, 2, "a"), (2, 2, "b")]


def test_names_of_any_script_are_fine(put, tmp_path):
    put("images/pa tient-ä-肝.nii.gz", scan())
    put("labels/pa tient-ä-肝.nii.gz", label((0, 7)))
    assert check_root(tmp_path, [LIVER], Data()).errors == ()


def test_a_root_that_is_missing_is_a_finding(tmp_path):
    report = check_root(tmp_path / "nowhere", [LIVER], Data())
    assert [error.code for error in report.errors] == ["root-missing"]
    assert report.facts == ()


def test_too_little_memory_for_one_file_does_not_end_the_check(put, tmp_path, monkeypatch):
    put("images/a.nii.gz", scan(1))

    def no_room(*arguments):
        raise MemoryError

    monkeypatch.setattr(nifti, "gunzip", no_room)
    codes = [error.code for error in check_root(tmp_path, [LIVER], Data()).errors]
    assert "no-memory" in codes


def test_a_file_without_permission_or_behind_a_broken_link_is_a_finding(put, tmp_path):
    put("images/a.nii.gz", scan(1))
    os.symlink(tmp_path / "gone.nii.gz", tmp_path / "images" / "b.nii.gz")
    codes = {(error.code, error.path) for error in check_root(tmp_path, [LIVER], Data()).errors}
    assert ("missing-image", "images/b.nii.gz") in codes


def test_settings_that_cannot_be_meant_still_raise(put, tmp_path):
    put("images/a.nii.gz", scan())
    put("labels/a.nii.gz", label((0, 7)))
    with pytest.raises(UsageError, match="livre"):
        check_root(tmp_path, [LIVER], Data(labels={"livre": (1,)}))


def test_cases_of_one_name_and_of_unlike_channels_are_errors(put, tmp_path):
    paths = [str(put(f"{name}.nii.gz", scan(seed))) for seed, name in enumerate("abcd")]
    cases = tuple(Case(name, name, "volume", ((path,),)) for name, path in zip("aab", paths, strict=False))
    odd = Case("d", "d", "volume", ((paths[2],), (paths[3],)))
    codes = {error.code for error in check_data(DataSet(str(tmp_path), "nifti", (*cases, odd)), [LIVER], Data()).errors}
    assert {"case-clash", "channel-count"} <= codes


def test_many_odd_values_are_shortened(put, tmp_path):
    put("images/a.nii.gz", scan())
    put("labels/a.nii.gz", label(*((n, n + 1) for n in range(20))))
    report = check_root(tmp_path, [LIVER], Data(labels={"liver": (1,)}))
    (note,) = [finding for finding in report.findings if finding.code == "other-label"]
    assert "and 13 more values" in note.found


@pytest.mark.real
@pytest.mark.skipif("SEG_REAL_DATA" not in os.environ, reason="SEG_REAL_DATA names no folder of real scans")
@pytest.mark.parametrize("name", ["liver-msd2d", "pancreas-nih2d", "ct3d-totalsegmentator"])
def test_real_scans_have_no_errors(name):
    organ = Organ(name="liver", label_names=("liver",))
    assert check_root(Path(os.environ["SEG_REAL_DATA"]) / name, [organ], Data()).errors == ()
