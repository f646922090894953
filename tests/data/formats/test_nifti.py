from pathlib import Path

import pytest

from seg.config import Data
from seg.data.formats.nifti import find, recognise
from seg.errors import DataError


def described(data_set):
    return [(case.name, len(case.channels), case.labelled) for case in data_set.cases]


def test_equal_names_in_images_and_labels_are_pairs(touch):
    root = touch("images/a.nii.gz", "images/b.nii", "labels/a.nii", "labels/b.nii.gz")
    data_set = find(root, Data())
    assert described(data_set) == [("a", 1, True), ("b", 1, True)]
    assert data_set.cases[0].labels == {"": (str(root / "labels" / "a.nii"),)}
    assert data_set.cases[0].kind == "volume"


@pytest.mark.parametrize("suffix", ["label", "labels", "seg", "segmentation", "mask"])
def test_a_label_may_carry_a_suffix(touch, suffix):
    root = touch("images/a.nii.gz", f"labels/a_{suffix}.nii.gz")
    assert described(find(root, Data())) == [("a", 1, True)]


def test_an_image_may_itself_end_like_a_label(touch):
    root = touch("images/a_seg.nii.gz", "labels/a_seg.nii.gz")
    assert described(find(root, Data())) == [("a_seg", 1, True)]


def test_images_without_label_are_unlabelled_and_labels_without_image_orphans(touch):
    data_set = find(touch("images/a.nii.gz", "images/b.nii.gz", "labels/a.nii.gz", "labels/c.nii.gz"), Data())
    assert described(data_set) == [("a", 1, True), ("b", 1, False)]
    assert [Path(path).name for path in data_set.orphans] == ["c.nii.gz"]


def test_the_unlabelled_folder_adds_unlabelled_cases(touch):
    data_set = find(touch("images/a.nii.gz", "labels/a.nii.gz", "unlabelled/b.nii.gz"), Data())
    assert described(data_set) == [("a", 1, True), ("b", 1, False)]


def test_numbered_files_are_channels_where_labels_are_named_without_number(touch):
    root = touch("images/a_0000.nii.gz", "images/a_0001.nii.gz", "labels/a.nii.gz")
    data_set = find(root, Data())
    assert described(data_set) == [("a", 2, True)]
    assert data_set.cases[0].channels[1] == (str(root / "images" / "a_0001.nii.gz"),)
    assert any("channels" in word for word in data_set.tolerated)


def test_numbered_files_are_cases_where_labels_carry_the_number(touch):
    root = touch("images/a_0000.nii.gz", "images/a_0001.nii.gz", "labels/a_0000.nii.gz", "labels/a_0001_seg.nii.gz")
    assert described(find(root, Data())) == [("a_0000", 1, True), ("a_0001", 1, True)]


def test_many_numbered_files_are_cases(touch):
    root = touch(*(f"scan_{number:04d}.nii.gz" for number in range(12)))
    assert len(find(root, Data()).cases) == 12


def test_numbers_that_do_not_start_at_zero_are_cases(touch):
    assert described(find(touch("scan_0001.nii", "scan_0002.nii"), Data())) == [
        ("scan_0001", 1, False),
        ("scan_0002", 1, False),
    ]


def test_a_missing_channel_is_named_where_it_should_be(touch):
    root = touch("images/a_0000.nii.gz", "images/a_0001.nii.gz", "images/b_0000.nii.gz", "labels/a.nii.gz")
    data_set = find(root, Data())
    assert data_set.cases[1].channels[1] == (str(root / "images" / "b_0001.nii.gz"),)


def test_labels_beside_their_images_are_told_by_suffix(touch):
    root = touch("a.nii.gz", "a_seg.nii.gz", "b.nii.gz", "c_mask.nii.gz")
    data_set = find(root, Data())
    assert described(data_set) == [("a", 1, True), ("b", 1, False)]
    assert [Path(path).name for path in data_set.orphans] == ["c_mask.nii.gz"]


def test_scans_alone_are_unlabelled_also_where_all_end_like_labels(touch):
    assert described(find(touch("a_seg.nii.gz", "b_seg.nii.gz"), Data())) == [("a_seg", 1, False), ("b_seg", 1, False)]


def test_one_file_is_one_unlabelled_case(touch):
    path = touch("scan_0000.nii.gz", "other.nii.gz") / "scan_0000.nii.gz"
    assert recognise(path)
    data_set = find(path, Data())
    assert described(data_set) == [("scan_0000", 1, False)]
    assert data_set.cases[0].channels == ((str(path),),)


def test_packed_and_plain_of_one_name_are_refused(touch):
    with pytest.raises(DataError) as caught:
        find(touch("images/a.nii", "images/a.nii.gz"), Data())
    assert caught.value.code == "two-files-one-name"


@pytest.mark.parametrize(
    "files",
    [
        ("dataset.json", "a.nii.gz"),
        ("segmentations/liver.nii.gz", "ct.nii.gz"),
        ("labels/a.nii.gz",),
        ("images/a.png",),
    ],
)
def test_other_folders_are_not_recognised(touch, files):
    assert not recognise(touch(*files))
