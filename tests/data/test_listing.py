import os
import sys

import pytest

from seg.data.listing import list_folder, list_nested, natural_key, split_ending
from seg.errors import DataError, ResourceError


def test_files_and_folders_are_told_apart_and_hidden_ones_left_out(tmp_path):
    for name in ("b10.png", "b9.png", ".hidden", "._b9.png"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    listing = list_folder(tmp_path)
    assert [path.name for path in listing.files] == ["b9.png", "b10.png"]
    assert [path.name for path in listing.folders] == ["sub"]
    assert listing.apple_doubles == 1


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    (tmp_path / "file").touch()
    assert list_folder(tmp_path / "none").empty
    assert list_folder(tmp_path / "file").empty


def test_endings_are_found_in_either_case(tmp_path):
    (tmp_path / "A.PNG").touch()
    assert [path.name for path in list_folder(tmp_path).ending(".png")] == ["A.PNG"]
    assert split_ending("A.NII.GZ", (".nii.gz", ".nii")) == ("A", ".NII.GZ")
    assert split_ending("a.txt", (".nii",)) == ("a.txt", "")


def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(tmp_path / "real")
    (tmp_path / "data" / "b.png").symlink_to(tmp_path / "real" / "a.png")
    listing = list_folder(tmp_path / "data")
    assert [path.name for path in listing.folders] == ["images"]
    assert [path.name for path in listing.files] == ["b.png"]


def test_a_link_that_leads_nowhere_counts_as_a_file(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    assert [path.name for path in list_folder(tmp_path).files] == ["a.png"]


@pytest.mark.parametrize("target", [".", "..", "loop"])
def test_a_link_that_leads_back_is_refused(tmp_path, target):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "loop").symlink_to(target)
    with pytest.raises(DataError) as caught:
        list_folder(folder)
    assert caught.value.code == "link-loop"
    assert caught.value.path == str(folder / "loop")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_is_not_text_is_refused(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):
        pass
    with pytest.raises(DataError) as caught:
        list_folder(tmp_path)
    assert caught.value.code == "file-name"


def test_a_folder_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ResourceError, match="Permission denied") as caught:
        list_folder(tmp_path)
    assert caught.value.path == str(tmp_path)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_nested_files_are_those_of_one_depth(tmp_path, depth):
    for name in ("0.png", "p1/1.png", "p1/q/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.stem for path in list_nested(tmp_path, depth).files] == [str(depth)]


def test_numbers_sort_as_numbers_and_any_names_can_be_compared():
    names = ["s10", "s9", "10", "s", "", "s9b", "9" * 40, "s09", "肝2", "肝10"]
    assert sorted(names, key=natural_key)[:3] == ["", "10", "9" * 40]
    assert sorted(["s10", "s9", "s09"], key=natural_key) == ["s09", "s9", "s10"]
    assert sorted(["肝10", "肝2"], key=natural_key) == ["肝2", "肝10"]
