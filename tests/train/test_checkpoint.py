import json
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.digest import json_sha256
from seg.errors import CheckpointError, ResourceError
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


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path) -> None:
    place = save_checkpoint(tmp_path, _checkpoint(1))
    manifest = {**json.loads((place / "manifest.json").read_text())["manifest"], "schema": 99}
    (place / "manifest.json").write_text(json.dumps({"manifest": manifest, "sha256": json_sha256(manifest)}))
    with pytest.raises(CheckpointError) as refused:
        load_newest(tmp_path)
    assert refused.value.code == "checkpoint-version"


def test_a_full_disk_leaves_the_earlier_checkpoint_as_it_was(tmp_path: Path) -> None:
    place = save_checkpoint(tmp_path, _checkpoint(1))
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(ResourceError, match="too large"):
            save_checkpoint(tmp_path, _checkpoint(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
