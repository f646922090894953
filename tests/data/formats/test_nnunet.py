import json
from pathlib import Path

import pytest

from seg.config import Data
from seg.data.formats.nnunet import find, recognise
from seg.errors import DataError

DECLARATION = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "liver": 1, "cancer": 2},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}


@pytest.fixture
def raw(touch):
    def write(*files: str, **changes) -> Path:
        root = touch(*files)
        content = {key: value for key, value in {**DECLARATION, **changes}.items() if value is not None}
        (root / "dataset.json").write_text(json.dumps(content))
        return root

    return write


def refusal(root) -> DataError:
    with pytest.raises(DataError) as caught:
        find(root, Data())
    assert caught.value.path.endswith("dataset.json")
    return caught.value


def test_training_with_label_is_labelled_the_rest_is_not(raw):
    root = raw(
        "imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "labelsTr/a.nii.gz", "imagesTs/c_0000.nii.gz",
        "imagesUn/d_0000.nii.gz",
    )  # fmt: skip
    assert recognise(root)
    data_set = find(root, Data())
    assert [case.name for case in data_set.labelled] == ["a"]
    assert [case.name for case in data_set.unlabelled] == ["b", "c", "d"]
    assert data_set.label_values == {"liver": (1,), "cancer": (2,)}
    assert data_set.channel_names == ("CT",)
    assert data_set.tolerated == ()


def test_channels_follow_their_numbers_and_a_missing_one_is_named(raw):
    root = raw(
        "imagesTr/a_0001.nii.gz", "imagesTr/a_0000.nii.gz", "imagesTr/b_0001.nii.gz",
        channel_names={"0": "T1", "1": "T2"}, numTraining=0,
    )  # fmt: skip
    first, second = find(root, Data()).cases
    assert [Path(files[0]).name for files in first.channels] == ["a_0000.nii.gz", "a_0001.nii.gz"]
    assert second.channels[0] == (str(root / "imagesTr" / "b_0000.nii.gz"),)


def test_files_without_a_declared_channel_are_seen(raw):
    data_set = find(
        raw("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "imagesTr/plain.nii.gz", "imagesTs/x.nii.gz"), Data()
    )
    assert [Path(path).name for path in data_set.misnamed] == ["a_0001.nii.gz", "plain.nii.gz", "x.nii.gz"]


def test_a_label_without_image_is_an_orphan(raw):
    data_set = find(raw("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "labelsTr/z.nii.gz"), Data())
    assert [Path(path).name for path in data_set.orphans] == ["z.nii.gz"]


def test_regions_and_the_ignored_value_are_understood(raw):
    root = raw("imagesTr/a_0000.nii.gz", labels={"background": 0, "whole": [1, 2], "tumour": [2], "ignore": 3})
    data_set = find(root, Data())
    assert data_set.label_values == {"whole": (1, 2), "tumour": (2,)}
    assert data_set.ignore_value == 3


def test_labels_written_the_other_way_round_are_understood(raw):
    data_set = find(raw("imagesTr/a_0000.nii.gz", labels={"0": "background", "1": "liver", "3": "liver"}), Data())
    assert data_set.label_values == {"liver": (1, 3)}


def test_pictures_are_cases_of_one_slice_that_share_their_patient(raw):
    root = raw(
        "imagesTr/p1_04_0000.png", "imagesTr/p1_05_0000.png", "imagesTr/lone_0000.png", "labelsTr/p1_04.png",
        file_ending=".png",
    )  # fmt: skip
    data_set = find(root, Data())
    assert [(case.name, case.patient, case.kind, case.slice_names) for case in data_set.cases] == [
        ("lone", "lone", "slices", ("",)),
        ("p1_04", "p1", "slices", ("04",)),
        ("p1_05", "p1", "slices", ("05",)),
    ]
    assert [case.name for case in data_set.labelled] == ["p1_04"]


def test_files_listed_in_the_declaration_may_lie_anywhere_below_the_root(raw):
    listed = {"k": {"images": ["deep/er/k_img.nii.gz"], "label": "other/k.nii.gz"}, "u": {"images": ["deep/u.nii.gz"]}}
    root = raw("deep/er/k_img.nii.gz", dataset=listed)
    labelled, unlabelled = find(root, Data()).cases
    assert labelled.channels == ((str(root / "deep" / "er" / "k_img.nii.gz"),),)
    assert labelled.labels == {"": (str(root / "other" / "k.nii.gz"),)}
    assert (unlabelled.name, unlabelled.labelled) == ("u", False)


def test_a_wrong_count_labels_of_test_cases_and_strange_files_are_said(raw):
    root = raw("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "labelsTs/c.nii.gz", "imagesTr/log.txt", numTraining=12)
    words = " ".join(find(root, Data()).tolerated)
    assert "counts 12 training cases, 1 have labels" in words
    assert "labelsTs" in words
    assert "log.txt" in words


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"file_ending": ".mha"}, "file-ending"),
        ({"file_ending": None}, "file-ending"),
        ({"file_ending": [".png"]}, "file-ending"),
        ({"channel_names": {"0": "CT", "2": "MR"}}, "json-channels"),
        ({"channel_names": {"0": 7}}, "json-channels"),
        ({"labels": {"liver": 1.5}}, "json-label"),
        ({"labels": {"liver": True}}, "json-label"),
        ({"labels": {"liver": []}}, "json-label"),
        ({"labels": {"liver": [[1]]}}, "json-label"),
        ({"labels": {"liver": "a"}}, "json-label"),
        ({"labels": {"liver": 1, "ignore": [2, 3]}}, "json-label"),
        ({"dataset": []}, "json-type"),
        ({"dataset": {"a": "x"}}, "json-type"),
        ({"dataset": {"a": {"images": "x.nii.gz"}}}, "json-type"),
        ({"dataset": {"a": {"images": ["../x.nii.gz"]}}}, "path-escape"),
        ({"dataset": {"../a": {"images": ["x.nii.gz"]}}}, "path-escape"),
        ({"dataset": {"a": {"images": ["x.nii.gz", "y.nii.gz"]}}}, "json-channels"),
        ({"dataset": {"a": {"images": ["x.nii.gz"], "label": 7}}}, "json-type"),
    ],
)
def test_a_declaration_that_is_not_as_it_should_be_is_refused(raw, changes, code):
    assert refusal(raw("imagesTr/a_0000.nii.gz", **changes)).code == code


def test_a_folder_without_declaration_is_not_recognised(touch):
    assert not recognise(touch("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"))
