import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seg import lock
from seg.errors import ResourceError
from seg.lock import held, holder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def _child(work: Callable[[], object]) -> int:
    """A forked process that does this work."""
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        try:
            work()
        finally:
            os._exit(0)
    return child


def _eventually(yes: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not yes() and time.monotonic() < end:
        time.sleep(0.01)
    return yes()


def test_a_held_folder_is_refused_by_process_and_machine(folder: Path) -> None:
    name = f"process {os.getpid()} on {os.uname().nodename}"
    with held(folder) as dead:
        assert (dead, holder(folder)) == ("", name)
        with pytest.raises(ResourceError, match=name) as refused, held(folder):
            pass
        assert refused.value.code == "run-locked"
    assert holder(folder) == ""
    with held(folder) as dead:
        assert dead == ""


def test_a_killed_holder_leaves_its_name_and_no_lock(folder: Path) -> None:
    def hold() -> None:
        with held(folder):
            signal.pause()

    child = _child(hold)
    assert _eventually(lambda: f"process {child} " in holder(folder))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert _eventually(lambda: holder(folder) == "")
    with held(folder) as dead:
        assert dead == f"process {child} on {os.uname().nodename}"


def test_a_child_of_the_holder_does_not_outlive_it_with_the_lock(folder: Path) -> None:
    read, write = os.pipe()

    def hold() -> None:
        with held(folder):
            os.write(write, f"{_child(signal.pause)}\n".encode())
            signal.pause()

    child = _child(hold)
    grandchild = int(os.read(read, 100))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        assert _eventually(lambda: holder(folder) == "")
        os.kill(grandchild, 0)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_forked_child_that_leaves_the_block_releases_nothing(folder: Path) -> None:
    with held(folder):
        child = os.fork()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert holder(folder) == f"process {os.getpid()} on {os.uname().nodename}"
    if child == 0:  # pragma: no cover - in another process
        os._exit(0)


def test_a_folder_made_again_meanwhile_is_locked_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, times = lock.fcntl.flock, []

    def remove_first(descriptor: int, how: int) -> None:
        flock(descriptor, how)
        if not times:
            (folder / lock.NAME).unlink()
        times.append(descriptor)

    monkeypatch.setattr(lock.fcntl, "flock", remove_first)
    with held(folder):
        assert len(times) == 2
        assert (folder / lock.NAME).read_text().startswith("process ")


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_cannot_be_locked_says_why(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "run").write_text("x")
    with pytest.raises(ResourceError) as refused, held(tmp_path / "run"):
        pass
    assert (refused.value.code, refused.value.path) == ("cannot-write", str(tmp_path / "run"))
    assert holder(tmp_path / "run") == ""


def test_a_full_disk_is_said_and_leaves_no_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(lock.os, "pwrite", full)
        with pytest.raises(ResourceError, match="No space left"), held(folder):
            pass
    with held(folder):
        pass
