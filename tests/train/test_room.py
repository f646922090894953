import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from seg.errors import ResourceError
from seg.runs import Run
from seg.train import loop
from seg.train.checkpoint import KEPT
from seg.train.room import checkpoint_bytes, needed_bytes, require_room
from seg.train.saved import BEST

_Usage = namedtuple("_Usage", "total used free")


def _free(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10**12, 0, free_bytes))


def test_a_disk_that_is_too_small_is_refused_before_the_first_step_with_what_is_needed(
    make, go, monkeypatch, tmp_path: Path
) -> None:
    training = make()
    needed = needed_bytes(training)
    _free(monkeypatch, needed - 10_000_000)
    monkeypatch.setattr(loop, "take_step", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises(ResourceError, match=f"found {needed / 1e6 - 10:.0f} MB free") as refused:
        go(training)
    assert (refused.value.code, refused.value.exit_code) == ("no-room", 4)
    assert f"{needed / 1e6:.0f} MB" in refused.value.expected
    assert refused.value.path == str(tmp_path / "run")


def test_what_is_asked_for_is_what_a_run_takes(make, go, monkeypatch) -> None:
    training = make()
    run, _ = go(training)
    newest = max(run.checkpoints.iterdir())
    sizes = {path.stem: path.stat().st_size for path in newest.glob("*.safetensors")}
    best = sizes.pop(BEST)
    assert checkpoint_bytes(training) == pytest.approx(sum(sizes.values()), rel=0.05)
    assert needed_bytes(training) == pytest.approx((KEPT + 1) * (sum(sizes.values()) + best) + 3 * best, rel=0.05)
    assert needed_bytes(training) > 2.5 * sum(sizes.values())
    # What lies there already need not be found again.
    _free(monkeypatch, needed_bytes(training) - sum(sizes.values()))
    require_room(training, run)
    with pytest.raises(ResourceError):
        require_room(training, Run(run.folder.parent))


def test_moments_count_before_they_are_there(make, go) -> None:
    training = make("train.steps=1", "train.validations=1")
    before = checkpoint_bytes(training)
    assert not training.optimizer.state_dict()["state"]
    go(training)
    assert checkpoint_bytes(training) == before
    moved = sum(parameter.numel() for group in training.optimizer.param_groups for parameter in group["params"])
    assert before > 2 * moved * torch.finfo(torch.float32).bits // 8


def test_a_folder_that_cannot_be_written_is_refused(make) -> None:
    with pytest.raises(ResourceError, match="MB free"):
        require_room(make(), Run(Path("/proc/seg")))
