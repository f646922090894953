"""Features on disk: one file per network and case, named by what they are made of, refused where a byte changed."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from seg.advise.evidence import CaseFeatures
from seg.atomic import atomic_file
from seg.data.cache import PreparedCase
from seg.models.network import SegNetwork

_VERSION = "1"
"""Raised whenever features of the same network and case are computed differently."""
_ARRAYS = ("pooled", "bands", "masks", "draws", "organs", "slices")
"""Fields that are arrays under their own names."""


def network_digest(network: SegNetwork) -> str:
    """Changes with any weight, norm statistic or input statistic."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def features_key(network: str, case: PreparedCase, made_of: tuple[int, ...]) -> str:
    """The name of a case's features; the case's folder is named by its content."""
    return hashlib.sha256(repr((_VERSION, network, case.folder.name, made_of)).encode()).hexdigest()[:32]


def write_features(place: Path, features: CaseFeatures) -> None:
    """Completely or not at all."""
    arrays: dict[str, Any] = {name: vars(features)[name] for name in _ARRAYS}
    arrays |= {f"layer{number}": layer for number, layer in enumerate(features.layers)}
    if features.edges is not None:
        arrays["edges"] = features.edges
    with atomic_file(place) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_features(place: Path, case: PreparedCase) -> CaseFeatures | None:
    """What was written for the case, or None where nothing is, or nothing intact: zip checks every array's CRC."""
    try:
        with np.load(place, allow_pickle=False) as kept:
            found = {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    layers = tuple(found[name] for name in sorted(found) if name.startswith("layer"))
    arrays = {name: found[name] for name in _ARRAYS}
    return CaseFeatures(name=case.name, patient=case.patient, layers=layers, edges=found.get("edges"), **arrays)
