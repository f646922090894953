from pathlib import Path

import pytest

from seg.config import Data
from seg.data.formats.pictures import find, recognise
from seg.errors import DataError


def names(files):
    return [Path(file).name for file in files]


def test_slices_of_a_patient_are_one_case_in_natural_order(touch):
    root = touch(*(f"images/p1_{number}.png" for number in (10, 9, 100)), "images/p2_1.png")
    first, second = find(root, Data()).cases
    assert (first.name, first.patient, first.kind) == ("p1", "p1", "slices")
    assert first.slice_names == ("9", "10", "100")
    assert names(first.channels[0]) == ["p1_9.png", "p1_10.png", "p1_100.png"]
    assert second.slice_names == ("1",)


def test_the_slice_is_the_part_after_the_last_underscore(touch):
    (case,) = find(touch("images/liver_a_b_0044.png"), Data()).cases
    assert (case.patient, case.slice_names) == ("liver_a_b", ("0044",))


def test_image_and_label_endings_may_differ(touch):
    root = touch("images/p_1.jpg", "images/p_2.JPEG", "labels/p_1.png", "labels/p_2.tiff")
    (case,) = find(root, Data()).cases
    assert names(case.labels[""]) == ["p_1.png", "p_2.tiff"]


def test_labels_may_lie_in_masks(touch):
    (case,) = find(touch("images/p_1.png", "masks/p_1.png"), Data()).cases
    assert case.labels[""][0].endswith("masks/p_1.png")


def test_labels_and_masks_together_are_refused(touch):
    with pytest.raises(DataError) as caught:
        find(touch("images/p_1.png", "masks/p_1.png", "labels/p_1.png"), Data())
    assert caught.value.code == "two-label-folders"


def test_a_patient_without_any_label_is_unlabelled(touch):
    data_set = find(touch("images/a_1.png", "images/b_1.png", "labels/a_1.png"), Data())
    assert [case.name for case in data_set.labelled] == ["a"]
    assert [case.name for case in data_set.unlabelled] == ["b"]


def test_a_missing_label_of_a_labelled_patient_is_named_where_it_should_be(touch):
    root = touch("images/a_1.jpg", "images/a_2.jpg", "images/a_3.jpg", "labels/a_1.png", "labels/a_3.png")
    (case,) = find(root, Data()).cases
    missing = [file for file in case.labels[""] if not Path(file).exists()]
    assert missing == [str(root / "labels" / "a_2.png")]
    assert case.labels[""].index(missing[0]) == 1


def test_a_label_without_image_is_an_orphan(touch):
    data_set = find(touch("images/a_1.png", "labels/a_1.png", "labels/a_2.png"), Data())
    assert names(data_set.orphans) == ["a_2.png"]


def test_a_name_that_does_not_fit_the_pattern_is_seen(touch):
    data_set = find(touch("images/a_1.png", "images/cover.png", "labels/cover.png"), Data())
    assert names(data_set.misnamed) == ["cover.png"]
    assert data_set.orphans == ()
    assert [case.name for case in data_set.cases] == ["a"]


@pytest.mark.parametrize("folder", ["imagesUn", "unlabelled"])
def test_pictures_in_the_unlabelled_folders_are_unlabelled_cases(touch, folder):
    data_set = find(touch("images/a_1.png", "labels/a_1.png", f"{folder}/b_1.png", f"{folder}/odd.png"), Data())
    assert [case.name for case in data_set.unlabelled] == ["b"]
    assert names(data_set.misnamed) == ["odd.png"]


def test_unlabelled_slices_of_a_labelled_patient_keep_the_patient(touch):
    data_set = find(touch("images/a_1.png", "labels/a_1.png", "unlabelled/a_2.png"), Data())
    assert [(case.name, case.patient) for case in data_set.cases] == [("a", "a"), ("a-unlabelled", "a")]


def test_only_unlabelled_pictures_are_a_data_set(touch):
    root = touch("unlabelled/a_1.png")
    assert recognise(root)
    assert len(find(root, Data()).unlabelled) == 1


def test_a_pattern_may_name_folders(touch):
    root = touch("images/p1/9.png", "images/p1/10.png", "images/p2/1.png", "labels/p1/9.png", "labels/p1/10.png")
    assert recognise(root)
    data_set = find(root, Data(patient_pattern="{patient}/{slice}"))
    assert [(case.name, case.slice_names, case.labelled) for case in data_set.cases] == [
        ("p1", ("9", "10"), True),
        ("p2", ("1",), False),
    ]


def test_one_file_per_name(touch):
    with pytest.raises(DataError, match=r"a_1\.jpg and a_1\.png") as caught:
        find(touch("images/a_1.png", "images/a_1.jpg"), Data())
    assert caught.value.code == "two-files-one-name"


def test_names_in_composed_and_decomposed_unicode_are_one_name(touch):
    root = touch("images/m\u00e4rz_1.png", "labels/ma\u0308rz_1.png")
    (case,) = find(root, Data()).cases
    assert case.labelled
    assert Path(case.labels[""][0]).exists()


def test_files_of_other_types_are_left_alone_and_said(touch):
    data_set = find(touch("images/a_1.png", "images/notes.txt", "images/._a_1.png"), Data())
    assert any("notes.txt" in word for word in data_set.tolerated)
    assert any("macOS" in word for word in data_set.tolerated)


def test_a_folder_of_pictures_alone_is_unlabelled_whatever_their_names(touch):
    root = touch("a_1.png", "a_2.png", "photo.jpg")
    assert recognise(root)
    data_set = find(root, Data())
    assert [(case.name, case.slice_names) for case in data_set.unlabelled] == [("a", ("1", "2")), ("photo", ("",))]
    assert data_set.misnamed == ()


def test_one_picture_is_one_unlabelled_case(touch):
    path = touch("a_7.tif", "b_1.tif") / "a_7.tif"
    assert recognise(path)
    data_set = find(path, Data())
    assert [(case.name, case.channels) for case in data_set.unlabelled] == [("a", ((str(path),),))]
    assert data_set.root == str(path.parent)


@pytest.mark.parametrize(
    "files",
    [
        ("scan.nii.gz", "preview.png"),
        ("sub/x.txt", "preview.png"),
        ("labels/a_1.png",),
        ("images/a.nii.gz",),
        ("a.txt",),
    ],
)
def test_other_folders_are_not_recognised(touch, files):
    assert not recognise(touch(*files))


def test_a_file_that_is_no_picture_is_not_recognised(touch):
    assert not recognise(touch("notes.txt") / "notes.txt")
