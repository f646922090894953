"""Copies of tensors as they are at one moment, in memory that is used again for the next one."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

Groups = dict[str, dict[str, Tensor]]
"""Tensors by the name of their group (`network`, `ema`, `optimizer`, ...) and their own."""

_ALIGNED_TO_BYTES = 64
"""Where a tensor may begin; a line of the processor's cache."""


class Snapshot:
    """One block of the computer's memory, as large as all that is copied into it."""

    def __init__(self, device: torch.device) -> None:
        """`device` is where the tensors are that will be copied."""
        # A GPU copies several times faster into memory that the system never moves.
        self._pinned = device.type == "cuda"
        self._block = torch.empty(0, dtype=torch.uint8)

    def reserve(self, size_bytes: int) -> None:
        """Get the memory now: the system hands out new memory far more slowly than it can be written to."""
        if self._block.numel() < size_bytes:
            self._block = _pinned(size_bytes) if self._pinned else torch.from_numpy(np.empty(size_bytes, np.uint8))
            self._block.numpy().fill(0)

    @torch.no_grad()
    def take(self, groups: Mapping[str, Mapping[str, Tensor]]) -> Groups:
        """Copy these tensors and return the copies, which hold until the next call."""
        originals = [tensor for tensors in groups.values() for tensor in tensors.values()]
        self.reserve(size_bytes(originals))
        copies = self._laid_out(originals)
        if copies:
            torch._foreach_copy_(copies, originals, non_blocking=True)
        if self._pinned:
            torch.cuda.synchronize()  # gpu-only
        one_by_one = iter(copies)
        return {group: {name: next(one_by_one) for name in tensors} for group, tensors in groups.items()}

    def _laid_out(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        found, start = [], 0
        for tensor in tensors:
            # The layout of the original, since to change it takes the loop longer than to copy.
            strides = torch.empty_like(tensor, device="meta").stride()
            end = start + tensor.numel() * tensor.element_size()
            found.append(self._block[start:end].view(tensor.dtype).as_strided(tensor.shape, strides))
            start = _aligned(end)
        return found


def size_bytes(tensors: Iterable[Tensor]) -> int:
    """Memory that copies of these tensors take, and about what their file takes."""
    return sum(_aligned(tensor.numel() * tensor.element_size()) for tensor in tensors)


def _aligned(position: int) -> int:
    return -(-position // _ALIGNED_TO_BYTES) * _ALIGNED_TO_BYTES


def _pinned(size_bytes: int) -> Tensor:
    return torch.empty(size_bytes, dtype=torch.uint8, pin_memory=True)  # gpu-only
