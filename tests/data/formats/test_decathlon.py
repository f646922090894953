import json
from pathlib import Path

import pytest

from seg.config import Data
from seg.data.formats.decathlon import find, recognise
from seg.errors import DataError

TASK = {
    "modality": {"0": "CT"},
    "labels": {"0": "background", "1": "liver", "2": "cancer"},
    "training": [{"image": "./imagesTr/liver_0.nii.gz", "label": "./labelsTr/liver_0.nii.gz"}],
    "test": ["./imagesTs/liver_7.nii.gz"],
}


@pytest.fixture
def task(touch):
    def write(**changes) -> Path:
        root = touch("imagesTr/liver_0.nii.gz", "labelsTr/liver_0.nii.gz", "imagesTs/liver_7.nii.gz")
        content = {key: value for key, value in {**TASK, **changes}.items() if value is not None}
        (root / "dataset.json").write_text(json.dumps(content))
        return root

    return write


def refusal(root) -> DataError:
    with pytest.raises(DataError) as caught:
        find(root, Data())
    assert caught.value.path.endswith("dataset.json")
    return caught.value


def test_training_is_labelled_and_test_unlabelled(task):
    root = task()
    assert recognise(root)
    data_set = find(root, Data())
    assert [case.name for case in data_set.labelled] == ["liver_0"]
    assert [case.name for case in data_set.unlabelled] == ["liver_7"]
    assert data_set.cases[0].channels == ((str(root / "imagesTr" / "liver_0.nii.gz"),),)
    assert data_set.label_values == {"liver": (1,), "cancer": (2,)}
    assert data_set.channel_names == ("CT",)
    assert data_set.tolerated == ()


def test_an_entry_without_label_is_unlabelled(task):
    assert not find(task(training=["imagesTr/liver_0.nii.gz"], test=None), Data()).labelled


def test_validation_entries_are_labelled_cases_too(task):
    data_set = find(task(training=[], validation=TASK["training"]), Data())
    assert [case.name for case in data_set.labelled] == ["liver_0"]


def test_labels_of_test_entries_are_not_used(task):
    data_set = find(task(training=[], test=TASK["training"]), Data())
    assert [case.labelled for case in data_set.cases] == [False]


def test_a_listed_file_that_is_missing_stays_listed(task):
    root = task(training=[{"image": "imagesTr/gone.nii.gz", "label": "labelsTr/gone.nii.gz"}])
    (case,) = find(root, Data()).labelled
    assert case.channels == ((str(root / "imagesTr" / "gone.nii.gz"),),)


def test_labels_that_are_not_listed_are_orphans_and_images_left_alone(task, touch):
    root = task()
    touch("labelsTr/liver_3.nii.gz", "imagesTr/liver_3.nii.gz", "imagesTr/._liver_0.nii.gz")
    data_set = find(root, Data())
    assert [Path(path).name for path in data_set.orphans] == ["liver_3.nii.gz"]
    assert any("not listed" in word for word in data_set.tolerated)
    assert any("macOS" in word for word in data_set.tolerated)


def test_modalities_in_files_of_their_own_are_channels(task):
    data_set = find(
        task(modality={"0": "T1", "1": "T2"}, training=[{"image": ["a/x_t1.nii.gz", "a/x_t2.nii.gz"]}], test=None),
        Data(),
    )
    assert [len(case.channels) for case in data_set.cases] == [2]
    assert data_set.channel_names == ("T1", "T2")


def test_modalities_in_one_4d_file_are_refused_with_the_way_out(task):
    error = refusal(task(modality={"0": "T1", "1": "T2"}))
    assert error.code == "decathlon-4d"
    assert "4D" in error.expected
    assert '"image": [' in error.fix


def test_files_named_as_the_first_nnunet_did_are_understood(task, touch):
    root = task(training=[{"image": "imagesTr/b.nii.gz", "label": "labelsTr/b.nii.gz"}], modality={"0": "A", "1": "B"})
    touch("imagesTr/b_0000.nii.gz", "imagesTr/b_0001.nii.gz", "imagesTs/liver_7_0000.nii.gz")
    (root / "imagesTs" / "liver_7.nii.gz").unlink()
    first, second = find(root, Data()).cases
    assert (first.name, len(first.channels)) == ("b", 2)
    assert (second.name, len(second.channels)) == ("liver_7", 2)


@pytest.mark.parametrize(
    "text",
    ["../secret.nii.gz", "imagesTr/../../x.nii.gz", "/etc/passwd", "C:/x.nii.gz", "C:\\x.nii", "..\\x.nii", "a\0b.nii"],
)
@pytest.mark.parametrize("place", ["image", "label", "test"])
def test_a_path_that_leaves_the_root_is_refused(task, text, place):
    changes = {"test": [text]} if place == "test" else {"training": [{**TASK["training"][0], place: text}]}
    assert refusal(task(**changes)).code == "path-escape"


@pytest.mark.parametrize("item", [7, None, "", "./", [], {"label": "x.nii.gz"}, {"image": {"a": 1}}, {"image": [3]}])
def test_an_entry_that_names_no_file_is_refused(task, item):
    assert refusal(task(training=[item])).code in ("json-type", "decathlon-4d")


def test_a_file_listed_twice_is_refused(task):
    assert refusal(task(test=["imagesTr/liver_0.nii.gz"])).code == "listed-twice"
    assert refusal(task(training=TASK["training"] * 2)).code == "listed-twice"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"training": "all"}, "json-type"),
        ({"training": {"image": "x"}}, "json-type"),
        ({"test": None, "labels": None}, "json-type"),
        ({"labels": ["liver"]}, "json-type"),
        ({"labels": {"one": "liver"}}, "json-label"),
        ({"labels": {"-1": "liver"}}, "json-label"),
        ({"labels": {"70000": "liver"}}, "json-label"),
        ({"modality": {"1": "CT"}}, "json-channels"),
        ({"modality": {}}, "json-channels"),
        ({"modality": "CT"}, "json-type"),
    ],
)
def test_tables_that_are_not_as_they_should_be_are_refused(task, changes, code):
    assert refusal(task(**changes)).code == code


def test_other_declarations_are_not_recognised(touch):
    root = touch("imagesTr/a.nii.gz")
    assert not recognise(root)
    (root / "dataset.json").write_text('{"training": [], "channel_names": {"0": "CT"}}')
    assert not recognise(root)
