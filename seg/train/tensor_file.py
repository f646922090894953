"""Tensors in a safetensors file, read back from the disk before they count as written."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from seg.atomic import sync
from seg.digest import file_sha256
from seg.train.read_back import forget, other_bytes

_WHOLE_NUMBERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of an element to a type that NumPy knows too."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors of the CPU, synced to disk, compare what the disk gives back, and return its sha256.

    Raises OSError where it cannot be written and CheckpointError where the disk gives back something else.
    """
    try:
        save_file({name: _in_order(tensor) for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        # The library hides the system's error, which says that the disk is full.
        raise OSError(str(error)) from error
    # The library makes files that only their owner may read; a run is shared like everything beside it.
    path.chmod(0o644)
    sync(path)
    forget(path)
    digest = file_sha256(path)
    if changed := _changed(path, tensors):
        raise other_bytes(path, changed[0])
    return digest


def _in_order(tensor: Tensor) -> Tensor:
    # By NumPy, whose copies take one thread: torch would start a second set of them beside the training's.
    return (
        tensor if tensor.is_contiguous() else torch.from_numpy(np.ascontiguousarray(_bits(tensor))).view(tensor.dtype)
    )


def _bits(tensor: Tensor) -> NDArray[np.generic]:
    numbers: NDArray[np.generic] = tensor.detach().view(_WHOLE_NUMBERS[tensor.element_size()]).numpy()
    return numbers


def _changed(path: Path, tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that the file has otherwise, not at all, or beyond these."""
    with safe_open(path, "pt") as file:
        found = set(file.keys())
        return sorted(found ^ set(tensors)) + [
            name for name in tensors if name in found and not _is_same(file.get_tensor(name), tensors[name])
        ]


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and np.array_equal(_bits(one), _bits(other))
