import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from seg.digest import file_sha256, json_sha256
from seg.errors import CheckpointError
from seg.train.checkpoint import Checkpoint, load_newest, save_checkpoint
from seg.train.manifest import step_of, verified_manifest


def _sign(place: Path, manifest: dict[str, Any]) -> None:
    (place / "manifest.json").write_text(json.dumps({"manifest": manifest, "sha256": json_sha256(manifest)}))


def _format_1(folder: Path, step: int) -> Path:
    """A checkpoint as the first version wrote it."""
    place = folder / f"step-{step:08d}"
    place.mkdir(parents=True)
    save_file({"w": torch.full((8,), float(step))}, place / "network.safetensors")
    (place / "state.json").write_text(json.dumps({"progress": {"step": step}}))
    digests = {path.name: file_sha256(path) for path in sorted(place.iterdir())}
    _sign(place, {"schema": 1, "step": step, "sha256": digests})
    return place


def _format_2(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, Checkpoint(step, {"network": {"w": torch.ones(8)}}, {}))


def test_a_checkpoint_of_the_first_format_is_gone_on_with(tmp_path: Path) -> None:
    _format_1(tmp_path, 7)
    found = load_newest(tmp_path)
    assert found is not None
    assert (found.step, found.state) == (7, {"progress": {"step": 7}})
    assert torch.equal(found.tensors["network"]["w"], torch.full((8,), 7.0))
    # A name that `pip install` finds.
    assert verified_manifest(tmp_path / "step-00000007")["seg"] == "0.1.0"


def test_a_damaged_one_of_the_first_format_is_noticed(tmp_path: Path) -> None:
    (_format_1(tmp_path, 7) / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"state\.json"):
        load_newest(tmp_path)


@pytest.mark.parametrize("schema", [0, 3, 99])
def test_a_format_nobody_here_knows_is_refused_with_the_command_that_helps(tmp_path: Path, schema: int) -> None:
    run = tmp_path / "my-run"
    _format_2(run / "checkpoints", 1)
    place = _format_2(run / "checkpoints", 2)
    # Another format may sign its files otherwise, which is no damage.
    _sign(place, {"schema": schema, "step": 2, "seg": "9.8.7"})
    with pytest.raises(CheckpointError, match=rf"format {schema} of seg 9\.8\.7; expected format 1 or 2") as refused:
        load_newest(run / "checkpoints")
    assert refused.value.code == "checkpoint-version"
    assert f"install seg 9.8.7, then go on with `seg train --resume {run}`" in refused.value.fix


def test_the_version_that_wrote_it_is_kept(tmp_path: Path) -> None:
    from importlib import metadata

    assert verified_manifest(_format_2(tmp_path, 3))["seg"] == metadata.version("seg")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"manifest": []}', '{"manifest": {"step": 1}, "sha256": "0"}', "\0"])
def test_a_manifest_that_is_none_is_damage(tmp_path: Path, text: str) -> None:
    place = _format_2(tmp_path, 3)
    (place / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"manifest\.json") as refused:
        verified_manifest(place)
    assert refused.value.code == "checkpoint-damaged"


def test_a_file_more_or_less_is_damage(tmp_path: Path) -> None:
    place = _format_2(tmp_path, 3)
    (place / "more.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"more\.safetensors"):
        verified_manifest(place)
    (place / "more.safetensors").unlink()
    (place / "state.json").unlink()
    with pytest.raises(CheckpointError, match=r"state\.json"):
        verified_manifest(place)
    (place / "state.json").mkdir()
    with pytest.raises(CheckpointError, match="a directory"):
        verified_manifest(place)


def test_the_step_is_the_manifests_and_the_names_where_there_is_none(tmp_path: Path) -> None:
    place = _format_2(tmp_path, 3).rename(tmp_path / "step-00000099")
    assert step_of(place) == 3
    (place / "manifest.json").unlink()
    assert step_of(place) == 99
    assert step_of(tmp_path / "step-x") == -1
