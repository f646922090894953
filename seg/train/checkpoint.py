"""Everything a resume needs, in one folder that is complete and verified or not there at all."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from seg.atomic import atomic_folder, remove_folder
from seg.errors import CheckpointError
from seg.train.manifest import step_of, verified_manifest, write_manifest
from seg.train.read_back import write_bytes
from seg.train.snapshot import size_bytes
from seg.train.tensor_file import write_tensors

KEPT = 2
"""The newest, and the one before it in case the newest turns out damaged; of a finished training the newest alone."""
_STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a training: named tensor groups (`network`, `ema`, `optimizer`, ...) and plain numbers."""

    step: int
    """Optimiser steps done."""
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]
    """Plain JSON."""
    place: Path | None = None
    """The folder it was loaded from."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint, kept: int = KEPT) -> Path:
    """Write `step-*` into `folder`, read every file back, and only then remove all but the newest `kept`.

    Those of later steps go as well: the training went on from an earlier one, so they were not to be used.
    Raises ResourceError where it cannot be written, and CheckpointError where the disk gives back other bytes than it
    was given; earlier checkpoints are untouched then.
    """
    place = folder / f"step-{checkpoint.step:08d}"
    needed_bytes = sum(size_bytes(tensors.values()) for tensors in checkpoint.tensors.values())
    with atomic_folder(place, needed_bytes) as temporary:
        digests = {}
        for name, tensors in checkpoint.tensors.items():
            digests[f"{name}.safetensors"] = write_tensors(temporary / f"{name}.safetensors", tensors)
        state = json.dumps(checkpoint.state, allow_nan=False).encode()
        digests[_STATE] = write_bytes(temporary / _STATE, state)
        write_manifest(temporary, checkpoint.step, digests)
    for later in (other for other in _places(folder) if step_of(other) > checkpoint.step):
        remove_folder(later)
    keep_newest(folder, kept)
    return place


def keep_newest(folder: Path, kept: int) -> None:
    """Remove all but so many checkpoints of the latest steps."""
    for old in _places(folder)[kept:]:
        remove_folder(old)


def load_newest(folder: Path, say: Callable[[str], None] = lambda _: None) -> Checkpoint | None:
    """What `newest_sound` finds, loaded."""
    place = newest_sound(folder, say)
    return None if place is None else load_checkpoint(place)


def newest_sound(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path | None:
    """The newest checkpoint that verifies, None where there is none; CheckpointError where all are damaged.

    `say` is told which ones were passed over, and why. One of another format is never passed over: it may hold more
    of the training than those before it.
    """
    skipped: list[CheckpointError] = []
    for place in _places(folder):
        try:
            verified_manifest(place)
        except CheckpointError as error:
            if error.code == "checkpoint-version":
                raise
            skipped.append(error)
            continue
        for damage in skipped:
            say(f"Checkpoint {Path(damage.path or '').name} is damaged ({damage.found}); {place.name} is used instead.")
        return place
    if skipped:
        raise skipped[0]
    return None


def load_checkpoint(place: Path) -> Checkpoint:
    """The checkpoint in that folder; CheckpointError where it does not verify."""
    manifest = verified_manifest(place)
    groups = {path.stem: load_file(path) for path in sorted(place.glob("*.safetensors"))}
    state = json.loads((place / _STATE).read_text(encoding="utf-8"))
    return Checkpoint(manifest["step"], groups, state, place)


def _places(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first by the step in their manifests; no clock is asked."""
    return sorted(folder.glob("step-*"), key=lambda place: (step_of(place), place.name), reverse=True)
