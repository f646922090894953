"""What lies beside a checkpoint's tensors: its step, its format and the sha256 of every file."""

import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from seg.digest import file_sha256, json_sha256
from seg.errors import CheckpointError
from seg.train.read_back import write_bytes

SCHEMA = 2
"""Format of the checkpoints that are written; 2 keeps the best weights so far and says which version wrote it."""

NAME = "manifest.json"

Content = dict[str, Any]


def write_manifest(place: Path, step: int, digests: Mapping[str, str]) -> None:
    """Sign what was written into `place`; a folder without this file is no checkpoint."""
    manifest = {"schema": SCHEMA, "step": step, "seg": metadata.version("seg"), "sha256": dict(digests)}
    write_bytes(place / NAME, json.dumps({"manifest": manifest, "sha256": json_sha256(manifest)}).encode())


def verified_manifest(place: Path) -> Content:
    """The manifest in today's format, where every file is as it was written; else CheckpointError.

    The format is looked at before the files, since another one may sign these in another way.
    """
    try:
        signed = json.loads((place / NAME).read_text(encoding="utf-8"))
        intact = signed["sha256"] == json_sha256(signed["manifest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(place, f"{NAME} that cannot be understood ({error})") from None
    if not intact:
        raise damaged(place, f"changed bytes in {NAME}")
    manifest = _migrated(place, signed["manifest"])
    if wrong := _changed_files(place, manifest["sha256"]):
        raise damaged(place, f"changed bytes in {', '.join(wrong)}")
    return manifest


def _migrated(place: Path, manifest: Content) -> Content:
    while manifest.get("schema") != SCHEMA:
        migrate = MIGRATIONS.get(manifest.get("schema", 0))
        if migrate is None:
            raise _other_format(place, manifest)
        manifest = migrate(manifest)
    return manifest


def _changed_files(place: Path, expected: Mapping[str, str]) -> list[str]:
    try:
        found = {path.name: file_sha256(path) for path in sorted(place.iterdir()) if path.name != NAME}
    except OSError as error:
        raise damaged(place, error.strerror or str(error)) from None
    return [name for name in {**expected, **found} if expected.get(name) != found.get(name)]


def step_of(place: Path) -> int:
    """The step of a checkpoint as its manifest says, or its name where there is none to read; -1 for other folders."""
    try:
        return int(json.loads((place / NAME).read_text(encoding="utf-8"))["manifest"]["step"])
    except (OSError, ValueError, KeyError, TypeError):
        digits = place.name.rpartition("-")[2]
        return int(digits) if digits.isdecimal() else -1


def damaged(place: Path, why: str) -> CheckpointError:
    """The error of a checkpoint that is not as it was written."""
    return CheckpointError(
        found=why, expected="a checkpoint as it was written", path=place, code="checkpoint-damaged",
        fix="remove this folder; an earlier checkpoint is used if there is one, else train again with --new or another"
        " runs.name",
    )  # fmt: skip


def _other_format(place: Path, manifest: Content) -> CheckpointError:
    version = manifest.get("seg", "the version that wrote it")
    return CheckpointError(
        found=f"checkpoint format {manifest.get('schema')} of seg {version}", path=place, code="checkpoint-version",
        expected=f"format {' or '.join(map(str, sorted([*MIGRATIONS, SCHEMA])))}",
        fix=f"install seg {version}, then go on with `seg train --resume {place.parent.parent}`",
    )  # fmt: skip


def _without_best(manifest: Content) -> Content:
    """Format 1 knew no best weights: they lay in the run alone, where they still are.

    It did not say who wrote it; no other version ever did.
    """
    return {**manifest, "schema": 2, "seg": "0.1.0"}


MIGRATIONS: dict[int, Callable[[Content], Content]] = {1: _without_best}
"""Format to the function that makes a manifest of the next one."""
