import json
import os
import random
from pathlib import Path

import pytest

from seg.config import Data
from seg.data.discover import contents, find_data, layouts
from seg.errors import DataError, SegError, UsageError
from seg.registry import FORMATS


@pytest.fixture
def touch(tmp_path):
    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def refusal(root, **settings) -> DataError:
    with pytest.raises(DataError) as caught:
        find_data(root, Data(**settings))
    return caught.value


def test_a_missing_root_says_how_far_the_path_exists(tmp_path):
    error = refusal(tmp_path / "scans" / "liver")
    assert error.code == "root-missing"
    assert f"up to {tmp_path}" in error.found


def test_a_name_that_no_disk_could_hold_is_missing_too(tmp_path):
    assert refusal(tmp_path / ("x" * 5000)).code == "root-missing"


@pytest.mark.parametrize("files", [(), (".DS_Store",)])
def test_an_empty_root_is_refused(touch, files):
    assert refusal(touch(*files)).code == "root-empty"


def test_a_file_that_is_no_scan_is_refused(touch):
    error = refusal(touch("notes.txt") / "notes.txt")
    assert error.code == "format-unknown"
    assert "notes.txt" in error.found


def test_an_archive_is_to_be_unpacked(touch):
    assert "unpack" in refusal(touch("data.zip") / "data.zip").fix


def test_dicom_is_to_be_converted(touch):
    assert "dcm2niix" in refusal(touch("1.dcm", "2.dcm")).fix


def test_an_unknown_layout_lists_what_was_looked_for_and_what_lies_there(touch):
    error = refusal(touch("scans/a.mha", "readme.txt"))
    assert error.code == "format-unknown"
    assert error.found == "scans/, readme.txt"
    for name, layout in layouts().items():
        assert f"{name}: {layout.looks_like}" in error.expected


def test_a_root_one_folder_too_high_is_met_with_the_right_one(touch):
    root = touch("release/images/a_1.png", "docs/x.txt")
    assert f"data.root={root / 'release'}?" in refusal(root).fix


def test_several_layouts_are_refused_with_the_way_to_choose(touch):
    root = touch("images/a_1.png", "s1/ct.nii.gz")
    error = refusal(root)
    assert error.code == "format-ambiguous"
    assert error.fix.endswith("data.format=pictures or data.format=totalsegmentator")
    assert find_data(root, Data(format="pictures")).format == "pictures"
    assert find_data(root, Data(format="totalsegmentator")).format == "totalsegmentator"


def test_a_named_layout_that_does_not_lie_there_is_refused(touch):
    error = refusal(touch("images/a_1.png"), format="nnunet")
    assert error.code == "format-differs"
    assert "imagesTr" in error.expected
    assert error.found == "images/"


def test_an_unknown_layout_name_gets_the_nearest(touch):
    with pytest.raises(UsageError, match="Did you mean 'decathlon'"):
        find_data(touch("images/a_1.png"), Data(format="decatlon"))


def test_a_broken_declaration_is_not_passed_over(touch):
    root = touch("imagesTr/a.nii.gz")
    (root / "dataset.json").write_text('{"training": [')
    error = refusal(root)
    assert error.code == "json-broken"
    assert error.path == str(root / "dataset.json")


def test_a_declaration_of_something_else_is_no_layout(touch):
    root = touch("imagesTr/a.nii.gz")
    (root / "dataset.json").write_text('{"title": "my data"}')
    assert refusal(root).code == "format-unknown"


def test_not_a_single_case_is_refused(touch):
    root = touch("imagesTr/none.txt")
    (root / "dataset.json").write_text('{"training": [], "labels": {"1": "liver"}}')
    assert refusal(root).code == "no-cases"


def test_where_no_name_fits_the_pattern_the_pattern_is_named(touch):
    error = refusal(touch("images/a-1.png", "images/a-2.png"))
    assert error.code == "no-cases"
    assert "data.patient_pattern" in error.fix
    assert "a-1.png" in error.fix


def test_two_cases_of_one_name_are_refused_with_their_files(touch):
    root = touch("imagesTr/a.nii.gz", "imagesTs/a.nii.gz")
    declaration = {
        "training": [{"image": "imagesTr/a.nii.gz"}],
        "test": ["imagesTs/a.nii.gz"],
        "labels": {"1": "liver"},
    }
    (root / "dataset.json").write_text(json.dumps(declaration))
    error = refusal(root)
    assert error.code == "duplicate-case"
    assert "imagesTr" in error.found
    assert "imagesTs" in error.found


def test_a_link_loop_is_refused(touch):
    root = touch("images/a_1.png")
    (root / "images" / "again").symlink_to(root)
    assert refusal(root).code == "link-loop"


def test_files_linked_from_elsewhere_are_read_and_said(touch):
    root = touch("far/p_1.png", "far/p_2.png", "data/images/p_3.png") / "data"
    (root / "images" / "p_1.png").symlink_to(root.parent / "far" / "p_1.png")
    (root / "images" / "p_2.png").symlink_to(root.parent / "far" / "p_2.png")
    data_set = find_data(root, Data())
    assert len(data_set.cases[0].channels[0]) == 3
    assert any("2 files are links" in word and "far/p_1.png" in word for word in data_set.tolerated)


def test_a_neighbour_whose_name_starts_alike_is_outside(touch):
    root = touch("data2/p_1.png", "data/images/p_3.png") / "data"
    (root / "images" / "p_1.png").symlink_to(root.parent / "data2" / "p_1.png")
    assert any("links to outside" in word for word in find_data(root, Data()).tolerated)


def test_a_relative_root_gives_absolute_paths(touch, monkeypatch):
    root = touch("data/images/a_1.png") / "data"
    monkeypatch.chdir(root.parent)
    data_set = find_data(Path("data"), Data())
    assert data_set.root == str(root)
    assert all(os.path.isabs(path) for path in data_set.cases[0].channels[0])


def test_the_home_sign_is_understood(touch, monkeypatch):
    monkeypatch.setenv("HOME", str(touch("data/images/a_1.png")))
    assert find_data(Path("~/data"), Data()).format == "pictures"


@pytest.mark.parametrize("name", ["pa tient-ä-肝", "-rf", "a'b\"c", "x\ny", "😀", "مريض", "CON"])
def test_any_name_can_be_a_patient(touch, name):
    data_set = find_data(touch(f"images/{name}_1.png", f"labels/{name}_1.png"), Data())
    assert [case.patient for case in data_set.labelled] == [name]


def test_what_lies_at_a_root_is_cut_short(touch):
    root = touch(*(f"file{number}" for number in range(20)), "sub/x")
    assert contents(root) == "sub/, " + ", ".join(f"file{number}" for number in range(7)) + " and 13 more"


def test_every_registered_layout_is_offered():
    assert tuple(layouts()) == FORMATS.names()


DECLARATIONS = (
    {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
        "test": ["imagesTr/b.nii.gz"],
    },
    {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "liver": [1, 2], "ignore": 3},
        "numTraining": 2,
        "file_ending": ".nii.gz",
        "dataset": {"k": {"images": ["imagesTr/a.nii.gz"], "label": "labelsTr/a.nii.gz"}},
    },
)
ODD = (None, 1, -1, 1.5, True, "", [], {}, "x", [None], {"a": None}, 10**30, "\ud800", "../a", "/a", [[1]], "a\0b")


def mutated(tree, chance: random.Random):
    """The tree with one value somewhere in it replaced by an odd one, or a key dropped."""
    if chance.random() < 0.2 or not isinstance(tree, dict | list) or not tree:
        return chance.choice(ODD)
    if isinstance(tree, list):
        place = chance.randrange(len(tree))
        return [mutated(item, chance) if i == place else item for i, item in enumerate(tree)]
    key = chance.choice(list(tree))
    if chance.random() < 0.1:
        return {other: value for other, value in tree.items() if other != key}
    return {**tree, key: mutated(tree[key], chance)}


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=["decathlon", "nnunet"])
def test_no_mutated_declaration_crashes_or_leads_outside(touch, declaration):
    root = touch("imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "labelsTr/a.nii.gz")
    chance = random.Random(0)
    found = 0
    for _ in range(200):
        (root / "dataset.json").write_text(json.dumps(mutated(declaration, chance)))
        try:
            data_set = find_data(root, Data())
        except SegError:
            continue
        found += 1
        files = [path for case in data_set.cases for group in (*case.channels, *case.labels.values()) for path in group]
        assert all(Path(path).is_relative_to(root) and ".." not in Path(path).parts for path in files)
    assert 0 < found < 200


@pytest.mark.real
@pytest.mark.parametrize(("name", "patients", "slices"), [("liver-msd2d", 102, 517), ("pancreas-nih2d", 41, 333)])
def test_the_real_pictures_are_found(name, patients, slices):
    if "SEG_REAL_DATA" not in os.environ:
        pytest.skip("SEG_REAL_DATA names no folder")
    data_set = find_data(Path(os.environ["SEG_REAL_DATA"]) / name, Data())
    assert data_set.format == "pictures"
    assert len(data_set.labelled) == patients
    assert sum(len(case.slice_names) for case in data_set.cases) == slices
    assert (data_set.orphans, data_set.misnamed, data_set.tolerated) == ((), (), ())
