"""Everything a resume needs, in one folder that is complete and verified or not there at all."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from seg.atomic import atomic_folder
from seg.digest import file_sha256, json_sha256
from seg.errors import CheckpointError

SCHEMA = 1

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a training: named tensor groups (`network`, `ema`, `optimizer`, ...) and plain numbers."""

    step: int
    """Optimiser steps done."""
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]
    """Plain JSON."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = 1) -> Path:
    """Write `step-*` into `folder`, verify it, and only then remove all but the newest `keep`.

    An intact one of the same step stays as it is: a step's content follows from the settings. Raises ResourceError
    where it cannot be written; earlier checkpoints are untouched then.
    """
    place = folder / f"step-{checkpoint.step:08d}"
    if _is_intact(place):
        return place
    with atomic_folder(place) as temporary:
        for name, tensors in checkpoint.tensors.items():
            save_tensors(temporary / f"{name}.safetensors", tensors)
        (temporary / "state.json").write_text(json.dumps(checkpoint.state, allow_nan=False))
        manifest = {"schema": SCHEMA, "step": checkpoint.step, "sha256": _digests(temporary)}
        (temporary / "manifest.json").write_text(json.dumps({"manifest": manifest, "sha256": json_sha256(manifest)}))
    _verify(place)
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file of contiguous CPU copies."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
        # The library makes files that only their owner may read; a run is shared like everything beside it.
        path.chmod(0o644)
    except SafetensorError as error:
        # The library hides the system's error, which says that the disk is full.
        raise OSError(str(error)) from error


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that verifies, None where there is none; CheckpointError where all are damaged."""
    damaged: list[CheckpointError] = []
    for place in sorted(folder.glob("step-*"), reverse=True):
        try:
            return _load(place)
        except CheckpointError as error:
            damaged.append(error)
    if damaged:
        raise damaged[0]
    return None


def _load(place: Path) -> Checkpoint:
    manifest = _verify(place)
    groups = {path.stem: load_file(path) for path in sorted(place.glob("*.safetensors"))}
    return Checkpoint(manifest["step"], groups, json.loads((place / "state.json").read_text()))


def _verify(place: Path) -> dict[str, Any]:
    try:
        signed = json.loads((place / "manifest.json").read_text())
        manifest: dict[str, Any] = signed["manifest"]
        intact, found = signed["sha256"] == json_sha256(manifest), _digests(place)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(place, f"manifest.json that cannot be understood ({error})") from None
    if not intact:
        raise _damaged(place, "changed bytes in manifest.json")
    if manifest["schema"] != SCHEMA:
        raise CheckpointError(
            found=f"checkpoint format {manifest['schema']}", expected=f"format {SCHEMA}", path=place,
            fix="resume it with the version of seg that wrote it (see manifest.json of the run)",
            code="checkpoint-version",
        )  # fmt: skip
    wrong = [name for name, digest in manifest["sha256"].items() if found.get(name) != digest]
    if wrong or set(found) != set(manifest["sha256"]):
        raise _damaged(place, f"changed bytes in {', '.join(wrong) or 'the list of files'}")
    return manifest


def _is_intact(place: Path) -> bool:
    try:
        _verify(place)
    except CheckpointError:
        return False
    return True


def _damaged(place: Path, why: str) -> CheckpointError:
    return CheckpointError(
        found=why, expected="a checkpoint as it was written", path=place, code="checkpoint-damaged",
        fix="remove this folder; an earlier checkpoint is used if there is one, else train again",
    )  # fmt: skip


def _digests(place: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(place.iterdir()) if path.name != "manifest.json"}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimiser's moments as `<parameter number>.<name>`; learning rates follow from the step and are not kept."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` gave."""
    whole = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = _laid_out_like(parameters[int(number)], value)
    optimizer.load_state_dict({**whole, "state": state})


def _laid_out_like(parameter: Tensor, moment: Tensor) -> Tensor:
    # The fused optimiser walks through memory, so a moment must lie there in the order of its parameter.
    return torch.empty_like(parameter).copy_(moment) if moment.shape == parameter.shape else moment
