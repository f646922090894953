import os
from pathlib import Path

import pytest

from seg.config import Data
from seg.data.discover import find_data
from seg.data.formats.totalsegmentator import find, recognise
from seg.errors import DataError


def test_every_structure_is_a_label_of_its_own(touch):
    root = touch("s1/ct.nii.gz", "s1/segmentations/liver.nii.gz", "s1/segmentations/kidney_left.nii.gz", "meta.csv")
    assert recognise(root)
    data_set = find(root, Data())
    (case,) = data_set.cases
    assert (case.name, case.patient, case.kind) == ("s1", "s1", "volume")
    assert case.labels == {
        name: (str(root / "s1" / "segmentations" / f"{name}.nii.gz"),) for name in ("kidney_left", "liver")
    }
    assert data_set.channel_names == ("CT",)
    assert data_set.tolerated == ()


@pytest.mark.parametrize("empty_folder", [True, False])
def test_a_case_without_masks_is_unlabelled(touch, empty_folder):
    root = touch("s1/ct.nii.gz")
    if empty_folder:
        (root / "s1" / "segmentations").mkdir()
    assert len(find(root, Data()).unlabelled) == 1


def test_cases_are_in_natural_order(touch):
    assert [case.name for case in find(touch("s10/ct.nii.gz", "s9/ct.nii.gz"), Data()).cases] == ["s9", "s10"]


def test_mr_is_named_as_such(touch):
    assert find(touch("s1/mri.nii.gz"), Data()).channel_names == ("MR",)


def test_ct_and_mr_together_need_a_word_on_how_to_read_both(touch):
    root = touch("s1/ct.nii.gz", "s2/mri.nii.gz")
    with pytest.raises(DataError) as caught:
        find(root, Data())
    assert caught.value.code == "mixed-modality"
    assert find(root, Data(modality="mr")).channel_names == ()


def test_ct_and_mr_in_one_case_are_refused(touch):
    with pytest.raises(DataError) as caught:
        find(touch("s1/ct.nii.gz", "s1/mri.nii.gz"), Data())
    assert caught.value.code == "two-images"


def test_one_case_may_be_the_root(touch):
    root = touch("s1/ct.nii.gz", "s1/segmentations/liver.nii.gz") / "s1"
    assert recognise(root)
    assert [(case.name, list(case.labels)) for case in find(root, Data()).cases] == [("s1", ["liver"])]


def test_other_folders_and_files_are_left_alone_and_said(touch):
    root = touch("s1/ct.nii.gz", "s1/segmentations/liver.nii.gz", "s1/segmentations/log.txt", "notes/x.txt")
    words = " ".join(find(root, Data()).tolerated)
    assert "notes" in words
    assert "log.txt" in words


@pytest.mark.parametrize("files", [("ct.nii.gz",), ("s1/t1.nii.gz",), ("segmentations/liver.nii.gz",)])
def test_other_folders_are_not_recognised(touch, files):
    assert not recognise(touch(*files))


@pytest.mark.real
def test_the_real_scan_is_found():
    if "SEG_REAL_DATA" not in os.environ:
        pytest.skip("SEG_REAL_DATA names no folder")
    data_set = find_data(Path(os.environ["SEG_REAL_DATA"]) / "ct3d-totalsegmentator", Data())
    assert data_set.format == "totalsegmentator"
    assert {"liver", "pancreas", "spleen"} <= set(data_set.cases[0].labels)
