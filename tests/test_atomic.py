import os

import pytest

from seg.atomic import atomic_file, atomic_folder, cannot_write, write_text
from seg.errors import ResourceError


class Interrupted(BaseException):
    """Stands for a Ctrl-C in the middle of writing."""


def _begin(path):
    path.write_text("half")
    raise Interrupted


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_complete_in_a_folder_that_did_not_exist(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "ä")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "ä".encode()
    assert _names(tmp_path / "a") == ["b.txt"]


def test_an_interrupted_file_leaves_the_old_one_and_nothing_else(tmp_path):
    write_text(tmp_path / "b.txt", "old")
    with pytest.raises(Interrupted), atomic_file(tmp_path / "b.txt") as temporary:
        _begin(temporary)
    assert (tmp_path / "b.txt").read_text() == "old"
    assert _names(tmp_path) == ["b.txt"]


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path):
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "run") as temporary:
            (temporary / text).mkdir()
            (temporary / text / "x").write_text(text)
    assert _names(tmp_path) == ["run"]
    assert _names(tmp_path / "run") == ["new"]


def test_two_writers_of_one_folder_leave_one_of_the_two_whole(tmp_path):
    with atomic_folder(tmp_path / "run") as late:
        (late / "x").write_text("late")
        with atomic_folder(tmp_path / "run") as early:
            (early / "x").write_text("early")
    assert _names(tmp_path) == ["run"]
    assert (tmp_path / "run" / "x").read_text() == "late"


def test_two_writers_who_both_found_no_folder_do_not_fail(tmp_path, monkeypatch):
    rename = os.rename

    def overtaken(new, place):
        monkeypatch.setattr(os, "rename", rename)
        place.mkdir()
        (place / "x").write_text("early")
        rename(new, place)

    monkeypatch.setattr(os, "rename", overtaken)
    with atomic_folder(tmp_path / "run") as late:
        (late / "x").write_text("late")
    assert _names(tmp_path) == ["run"]
    assert (tmp_path / "run" / "x").read_text() == "late"


def test_an_interrupted_folder_leaves_the_old_one_and_nothing_else(tmp_path):
    with atomic_folder(tmp_path / "run") as temporary:
        (temporary / "x").write_text("old")
    with pytest.raises(Interrupted), atomic_folder(tmp_path / "run") as temporary:
        _begin(temporary / "x")
    assert (tmp_path / "run" / "x").read_text() == "old"
    assert _names(tmp_path) == ["run"]


def test_a_full_disk_is_an_error_that_says_how_much_is_free(tmp_path):
    with pytest.raises(ResourceError, match=r"No space left.*MB free") as caught, atomic_file(tmp_path / "b.txt"):
        raise OSError(28, os.strerror(28))
    assert caught.value.path == str(tmp_path / "b.txt")
    assert _names(tmp_path) == []


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError), atomic_folder(tmp_path / "file" / "run"):
        pass


def test_a_write_error_without_a_path_that_exists_still_speaks(tmp_path):
    assert "reason" in cannot_write(tmp_path / "no" / "where", OSError("reason")).found
