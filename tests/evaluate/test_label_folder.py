import json

import pytest

from seg.config import Data
from seg.errors import DataError
from seg.evaluate.label_folder import plain_name, read_label_folder, reference_data


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.nii.gz", "a"), ("a_seg.nii.gz", "a"), ("a_label.nii", "a"), ("a_1_mask.png", "a_1"), ("a_labels.tif", "a"),
        ("a_segmentation.nii.gz", "a"), ("mask.png", "mask"), ("liver_01.nii.gz", "liver_01"), ("p/s_1.png", "p/s_1"),
    ],
)  # fmt: skip
def test_endings_and_label_marks_are_taken_off(name, plain):
    assert plain_name(name) == plain


def test_label_maps_mask_files_and_pictures_are_told_apart(tmp_path, write_labels, write_slice, filled):
    write_labels(tmp_path / "a_seg.nii.gz", filled)
    write_labels(tmp_path / "b" / "liver.nii.gz", filled)
    write_labels(tmp_path / "c" / "segmentations" / "spleen.nii.gz", filled)
    write_labels(tmp_path / "probabilities" / "a_liver.nii.gz", filled)
    write_slice(tmp_path / "p_1.png", filled[0])
    (tmp_path / "labels.json").write_text('{"liver": 3}')
    (tmp_path / "notes.txt").write_text("nothing")
    found = read_label_folder(tmp_path, Data())
    assert {name: path.name for name, path in found.maps.items()} == {"a": "a_seg.nii.gz"}
    assert {name: list(masks) for name, masks in found.masks.items()} == {"b": ["liver"], "c": ["spleen"]}
    assert list(found.pictures) == ["p_1"]
    assert found.label_values == {"liver": (3,)}
    assert found.names == ("a", "b", "c", "p_1")


def test_pictures_in_patient_folders_are_found_by_the_pattern(tmp_path, write_slice, filled):
    write_slice(tmp_path / "p" / "1.png", filled[0])
    settings = Data(patient_pattern="{patient}/{slice}")
    assert list(read_label_folder(tmp_path, settings).pictures) == ["p/1"]
    (case,) = reference_data(tmp_path, settings).cases
    assert (case.patient, case.slice_names) == ("p", ("1",))


def test_a_single_file_is_a_folder_of_one(tmp_path, write_labels, filled):
    path = write_labels(tmp_path / "a.nii.gz", filled)
    write_labels(tmp_path / "b.nii.gz", filled)
    assert list(read_label_folder(path, Data()).maps) == ["a"]


def test_two_files_of_one_name_are_refused(tmp_path, write_labels, filled):
    write_labels(tmp_path / "a.nii.gz", filled)
    write_labels(tmp_path / "a_seg.nii.gz", filled)
    with pytest.raises(DataError, match=r"a.nii.gz and a_seg.nii.gz") as caught:
        read_label_folder(tmp_path, Data())
    assert caught.value.code == "two-files-one-name"


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"liver": 0}', '{"liver": "x"}', '{"liver": 1, "spleen": 1}', '{"a": [1]}']
)
def test_a_label_table_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError) as caught:
        read_label_folder(tmp_path, Data())
    assert caught.value.code == "labels-json"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        read_label_folder(tmp_path / "nowhere", Data())


def test_a_plain_folder_of_label_maps_is_a_reference(tmp_path, write_labels, filled):
    write_labels(tmp_path / "a.nii.gz", filled)
    write_labels(tmp_path / "b_seg.nii.gz", filled)
    found = reference_data(tmp_path, Data())
    assert [(case.name, list(case.labels)) for case in found.labelled] == [("a", [""]), ("b", [""])]


def test_a_plain_folder_of_slices_is_grouped_by_patient_in_natural_order(tmp_path, write_slice, filled):
    for name in ("p_10", "p_9", "q_1", "lone"):
        write_slice(tmp_path / f"{name}.png", filled[0])
    found = {case.name: case.slice_names for case in reference_data(tmp_path, Data()).labelled}
    assert found == {"p": ("9", "10"), "q": ("1",), "lone": ("",)}


def test_a_data_set_in_a_known_layout_is_a_reference(tmp_path, write_labels, filled):
    write_labels(tmp_path / "imagesTr" / "a_0000.nii.gz", filled)
    write_labels(tmp_path / "labelsTr" / "a.nii.gz", filled)
    (tmp_path / "dataset.json").write_text(
        json.dumps({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz",
                    "numTraining": 1})
    )  # fmt: skip
    found = reference_data(tmp_path, Data())
    assert found.format == "nnunet"
    assert found.label_values == {"liver": (1,)}


def test_a_folder_without_labels_is_no_reference(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(DataError) as caught:
        reference_data(tmp_path, Data())
    assert caught.value.code == "no-labels"


def test_a_layout_that_was_asked_for_must_be_there(tmp_path, write_labels, filled):
    write_labels(tmp_path / "a.nii.gz", filled)
    with pytest.raises(DataError) as caught:
        reference_data(tmp_path, Data(format="decathlon"))
    assert caught.value.code == "format-differs"
