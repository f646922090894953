import os
import shutil
from pathlib import Path

import pytest

from seg.atomic import (
    atomic_file,
    atomic_folder,
    cannot_write,
    put_link,
    remove_folder,
    require_writable,
    write_text,
)
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


def test_what_was_needed_is_said_where_it_is_known(tmp_path):
    assert cannot_write(tmp_path, OSError("reason"), 2_500_000).expected.endswith("has room for 2 MB")
    with pytest.raises(ResourceError, match="room for 3 MB"), atomic_folder(tmp_path / "run", 3_000_000):
        raise OSError(28, os.strerror(28))


def test_a_link_is_the_same_file_and_replaces_another_one(tmp_path):
    write_text(tmp_path / "source", "new")
    write_text(tmp_path / "place", "old")
    for _ in range(2):
        put_link(tmp_path / "source", tmp_path / "place")
        assert (tmp_path / "place").read_text() == "new"
        assert (tmp_path / "place").samefile(tmp_path / "source")
        assert _names(tmp_path) == ["place", "source"]


def test_where_a_file_cannot_have_two_names_it_is_copied(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(1, os.strerror(1))

    write_text(tmp_path / "source", "new")
    monkeypatch.setattr(os, "link", refuses)
    put_link(tmp_path / "source", tmp_path / "place")
    assert (tmp_path / "place").read_text() == "new"
    assert not (tmp_path / "place").samefile(tmp_path / "source")


def test_a_folder_that_is_removed_is_never_seen_in_part(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x").write_text("")
    seen = []
    remove = shutil.rmtree

    def watched(folder, **options):
        seen.extend([(tmp_path / "run").exists(), folder.name.startswith(".tmp-")])
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", watched)
    remove_folder(tmp_path / "run")
    assert seen == [False, True]
    assert _names(tmp_path) == []


def test_a_folder_that_can_be_written_passes_and_stays_as_it_is(tmp_path):
    require_writable(tmp_path / "not" / "there" / "yet")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("place", ["/proc/seg", "/proc/1/seg/runs"])
def test_a_folder_that_cannot_be_written_is_refused_and_named(place):
    with pytest.raises(ResourceError, match="MB free") as refused:
        require_writable(Path(place))
    assert refused.value.path == place


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ResourceError, match="Not a directory"):
        require_writable(tmp_path / "runs" / "one")
