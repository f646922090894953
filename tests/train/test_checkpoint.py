import contextlib
import itertools
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.errors import CheckpointError, ResourceError
from seg.train import tensor_file
from seg.train.checkpoint import Checkpoint, load_newest, save_checkpoint


def _checkpoint(step: int, value: float = 1.0) -> Checkpoint:
    return Checkpoint(step, {"network": {"w": torch.full((64,), value)}}, {"progress": {"step": step}})


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, _checkpoint(7, 3.5))
    found = load_newest(tmp_path)
    assert found is not None
    assert (found.step, found.state) == (7, {"progress": {"step": 7}})
    assert torch.equal(found.tensors["network"]["w"], torch.full((64,), 3.5))


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert load_newest(tmp_path) is None


def test_only_the_newest_are_kept_by_step_not_by_clock(tmp_path: Path) -> None:
    for step in (10, 200, 3000):
        save_checkpoint(tmp_path, _checkpoint(step), kept=2)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000200", "step-00003000"]


def test_any_flipped_bit_is_noticed_and_the_earlier_checkpoint_used(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, _checkpoint(1, 1.0), kept=2)
    place = save_checkpoint(tmp_path, _checkpoint(2, 2.0), kept=2)
    random = np.random.default_rng(0)
    for path in sorted(place.iterdir()):
        content = path.read_bytes()
        for position in random.integers(len(content), size=25):
            broken = bytearray(content)
            broken[position] ^= 1 << int(random.integers(8))
            path.write_bytes(broken)
            found = load_newest(tmp_path)
            assert found is not None
            assert found.step == 1
        path.write_bytes(content)


def test_when_all_are_damaged_the_error_names_the_file(tmp_path: Path) -> None:
    place = save_checkpoint(tmp_path, _checkpoint(1))
    (place / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"state\.json") as refused:
        load_newest(tmp_path)
    assert refused.value.code == "checkpoint-damaged"


@pytest.mark.parametrize("limit_bytes", [0, 1, 7, 50, 100, 150, 200, 250, 300, 320])
def test_a_full_disk_leaves_the_earlier_checkpoint_as_it_was(tmp_path: Path, limit_bytes: int) -> None:
    place = save_checkpoint(tmp_path, _checkpoint(1))
    assert max(path.stat().st_size for path in place.iterdir()) > 320
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        with pytest.raises(ResourceError, match=r"too large.*room for 0 MB"):
            save_checkpoint(tmp_path, _checkpoint(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.mark.parametrize("name", ["network.safetensors", "state.json", "manifest.json"])
def test_a_disk_that_gives_back_other_bytes_of_any_file_costs_no_earlier_checkpoint(
    tmp_path: Path, monkeypatch, name: str
) -> None:
    save_checkpoint(tmp_path, _checkpoint(1))
    fsync = os.fsync

    def changing(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.name == name:
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", changing)
        with pytest.raises(CheckpointError, match=rf"{name}: found other bytes than were written") as refused:
            save_checkpoint(tmp_path, _checkpoint(2), kept=1)
    assert refused.value.code == "disk-changes-bytes"
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    found = load_newest(tmp_path)
    assert found is not None
    assert found.step == 1


def test_what_was_passed_over_is_said_with_the_reason_and_what_is_used(tmp_path: Path) -> None:
    for step in (1, 2):
        place = save_checkpoint(tmp_path, _checkpoint(step))
    (place / "state.json").write_text("{}")
    said: list[str] = []
    found = load_newest(tmp_path, said.append)
    assert found is not None
    assert found.place == tmp_path / "step-00000001"
    assert said == ["Checkpoint step-00000002 is damaged (changed bytes in state.json); step-00000001 is used instead."]


@pytest.mark.parametrize("shift_s", [-86_400, 0, 86_400])
def test_the_newest_is_the_one_of_the_latest_step_whatever_clocks_and_names_say(tmp_path: Path, shift_s: int) -> None:
    for step in (99_999_999, 100_000_000, 100_000_001):
        place = save_checkpoint(tmp_path, _checkpoint(step))
        os.utime(place, (time.time() - step % 10 * shift_s,) * 2)
    assert {path.name for path in tmp_path.iterdir()} == {"step-100000000", "step-100000001"}
    place.rename(tmp_path / "step-00000000")
    found = load_newest(tmp_path)
    assert found is not None
    assert found.step == 100_000_001


def test_a_later_one_that_could_not_be_used_goes_when_the_next_is_written_and_not_an_earlier_one(
    tmp_path: Path,
) -> None:
    for step in (4, 8):
        place = save_checkpoint(tmp_path, _checkpoint(step))
    (place / "state.json").unlink()
    save_checkpoint(tmp_path, _checkpoint(6))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000004", "step-00000006"]


def test_one_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    place = save_checkpoint(tmp_path, _checkpoint(4, 1.0))
    (place / "state.json").unlink()
    save_checkpoint(tmp_path, _checkpoint(4, 2.0))
    found = load_newest(tmp_path)
    assert found is not None
    assert torch.equal(found.tensors["network"]["w"], torch.full((64,), 2.0))


class _Dead(BaseException):
    """Stands for the end of the process: from then on nothing is done any more, tidying up included."""


def test_wherever_a_save_is_cut_off_a_whole_checkpoint_is_found(tmp_path: Path, monkeypatch) -> None:
    def save_until(folder: Path, last: int) -> int:
        calls = itertools.count(1)

        def wrapped(call):
            def watched(*given, **named):
                if next(calls) > last:
                    raise _Dead
                return call(*given, **named)

            return watched

        with monkeypatch.context() as patched:
            for place, name in ((os, "fsync"), (os, "rename"), (os, "replace"), (os, "open"), (shutil, "rmtree"),
                                (tensor_file, "save_file"), (Path, "write_bytes"), (Path, "mkdir")):  # fmt: skip
                patched.setattr(place, name, wrapped(getattr(place, name)))
            with contextlib.suppress(_Dead):
                save_checkpoint(folder, _checkpoint(3, 3.0))
        return next(calls) - 1

    steps = []
    for cut_after in itertools.count():
        folder = tmp_path / str(cut_after)
        for step in (1, 2):
            save_checkpoint(folder, _checkpoint(step, float(step)))
        made = save_until(folder, cut_after)
        found = load_newest(folder)
        assert found is not None
        assert torch.equal(found.tensors["network"]["w"], torch.full((64,), float(found.step)))
        steps.append(found.step)
        if made <= cut_after:
            break
    assert len(steps) > 12
    assert steps == sorted(steps)
    assert set(steps) == {2, 3}
