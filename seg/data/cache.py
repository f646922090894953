"""Prepared cases on disk: keyed by content and plan, written atomically, verified, read by memory map."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg.atomic import atomic_folder
from seg.config import Data
from seg.data.organs import OrganSource
from seg.data.plan import Plan, plan_to_json
from seg.data.prepare import prepared_planes, resize_masks
from seg.data.volume import IGNORE, read_image, read_masks
from seg.digest import file_sha256, json_sha256
from seg.records import Case, DataSet

_VERSION = "1"


@dataclass(frozen=True)
class PreparedCase:
    """A case on the network's grid; arrays stay on disk until they are touched."""

    name: str
    patient: str
    folder: Path
    contiguous: bool
    labelled: bool
    organ_slices: tuple[int, ...]
    """Slices that show at least one organ."""

    @cached_property
    def image(self) -> NDArray[np.float16]:
        """(z, channel, y, x), 0 to 1."""
        found: NDArray[np.float16] = np.load(self.folder / "image.npy", mmap_mode="r", allow_pickle=False)
        return found

    @cached_property
    def masks(self) -> NDArray[np.uint8]:
        """(z, organ, y, x): 1 inside, 0 outside, IGNORE; everything is IGNORE where the case has no labels."""
        if self.labelled:
            found: NDArray[np.uint8] = np.load(self.folder / "masks.npy", mmap_mode="r", allow_pickle=False)
            return found
        slices, _, height, width = self.image.shape
        return np.broadcast_to(np.uint8(IGNORE), (slices, 1, height, width))

    def __len__(self) -> int:
        return int(self.image.shape[0])

    def __getstate__(self) -> dict[str, Any]:
        # A loading process opens the files itself; their content would be sent along otherwise.
        return {field.name: self.__dict__[field.name] for field in fields(self)}


def prepare_case(
    case: Case, data_set: DataSet, sources: Sequence[OrganSource], plan: Plan, settings: Data, cache: Path
) -> PreparedCase:
    """The prepared case, from the cache where an intact entry lies there, else made and kept."""
    folder = cache / case_key(case, data_set, sources, plan, settings)
    entry = intact_entry(folder) or _make(case, data_set, sources, plan, settings, folder)
    return PreparedCase(
        name=case.name, patient=case.patient, folder=folder, contiguous=entry["contiguous"],
        labelled=entry["labelled"], organ_slices=tuple(entry["organ_slices"]),
    )  # fmt: skip


def case_key(case: Case, data_set: DataSet, sources: Sequence[OrganSource], plan: Plan, settings: Data) -> str:
    """A name that changes whenever the files' content or anything that shapes the result does."""
    digest = hashlib.sha256()
    for files in (*case.channels, *(case.labels[name] for name in sorted(case.labels))):
        for file in files:
            digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
    made_of = (_VERSION, plan_to_json(plan), repr(sources), repr(sorted(case.labels)), repr(data_set.ignore_value),
               repr((settings.trust, settings.nan_to, settings.spacing_mm)), case.kind)  # fmt: skip
    digest.update(repr(made_of).encode())
    return digest.hexdigest()[:32]


def _make(
    case: Case, data_set: DataSet, sources: Sequence[OrganSource], plan: Plan, settings: Data, folder: Path
) -> dict[str, Any]:
    image = read_image(case, settings)
    planes = list(prepared_planes(image, plan))
    stacked = _pad_together([plane.astype(np.float16) for plane in planes], 0)
    masks: list[NDArray[np.uint8]] = []
    if case.labelled:
        own = read_masks(case, image, sources, data_set.ignore_value, settings)
        masks = [resize_masks(mask, plane.shape[1:]) for mask, plane in zip(own, planes, strict=True)]
    with atomic_folder(folder) as temporary:
        np.save(temporary / "image.npy", stacked)
        if masks:
            np.save(temporary / "masks.npy", _pad_together(masks, IGNORE))
        entry = {
            "contiguous": image.contiguous,
            "labelled": case.labelled,
            "organ_slices": [z for z, mask in enumerate(masks) if (mask == 1).any()],
            "sha256": {path.name: file_sha256(path) for path in sorted(temporary.glob("*.npy"))},
        }
        (temporary / "entry.json").write_text(json.dumps({"entry": entry, "sha256": json_sha256(entry)}))
    return entry


def _pad_together(planes: Sequence[NDArray[np.generic]], fill: int) -> NDArray[np.generic]:
    height, width = (max(plane.shape[axis] for plane in planes) for axis in (1, 2))
    padded = np.full((len(planes), planes[0].shape[0], height, width), fill, dtype=planes[0].dtype)
    for target, plane in zip(padded, planes, strict=True):
        target[:, : plane.shape[1], : plane.shape[2]] = plane
    return padded


def intact_entry(folder: Path) -> dict[str, Any] | None:
    """What `entry.json` says, or None where the entry is missing or any byte of it changed."""
    try:
        signed = json.loads((folder / "entry.json").read_text())
        entry: dict[str, Any] = signed["entry"]
        intact = signed["sha256"] == json_sha256(entry) and all(
            file_sha256(folder / name) == digest for name, digest in entry["sha256"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if intact else None
