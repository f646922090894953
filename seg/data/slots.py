"""Memory that a loading process and the training share: batches are written and read there without being sent.

It belongs to no file system: the 64 MB that containers give /dev/shm do not limit it.
"""

import mmap
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seg.data.dataset import Batch, Item
from seg.data.volume import IGNORE

Shape = tuple[int, ...]

_ALIGNED = 64
"""Bytes; a cache line, so that no two arrays share one."""


@dataclass(frozen=True)
class Layout:
    """How the batches of a step lie in one slot."""

    shapes: Mapping[str, tuple[Shape, Shape]]
    """Stream to the shapes of its images and masks."""
    half: bool
    """Images in half precision."""
    slots: int

    @property
    def slot_bytes(self) -> int:
        """Size of a slot."""
        return sum(_padded(count * kind.itemsize) for _, kind, count in self._arrays())

    def _arrays(self) -> list[tuple[Shape, np.dtype[np.generic], int]]:
        """Images, masks and valid pixels of each stream, in order: shape, type and length."""
        found: list[tuple[Shape, np.dtype[np.generic]]] = []
        for images, masks in self.shapes.values():
            found.append((images, np.dtype(np.float16 if self.half else np.float32)))
            found.append((masks, np.dtype(np.bool_)))
            found.append(((masks[0], 1, *masks[2:]), np.dtype(np.bool_)))
        return [(shape, kind, int(np.prod(shape))) for shape, kind in found]

    def views(self, memory: mmap.mmap, slot: int) -> list[NDArray[np.generic]]:
        """The arrays of a slot."""
        start, found = slot * self.slot_bytes, []
        for shape, kind, count in self._arrays():
            found.append(np.frombuffer(memory, kind, count, start).reshape(shape))
            start += _padded(count * kind.itemsize)
        return found


class Slots:
    """Room for the batches of a few steps."""

    def __init__(self, layout: Layout, descriptor: int) -> None:
        """`descriptor` is that of `new_memory`, made by either side; it may be closed afterwards."""
        self.layout = layout
        self._memory = mmap.mmap(descriptor, layout.slot_bytes * layout.slots)

    def write(self, slot: int, items: Mapping[str, Sequence[Item]]) -> None:
        """Fill a slot with the items of every stream."""
        views = iter(self.layout.views(self._memory, slot))
        for stream in self.layout.shapes:
            images, masks, valid = next(views), next(views), next(views)
            for number, item in enumerate(items[stream]):
                # torch rounds to half precision as fast as it copies, NumPy takes ten times as long.
                torch.from_numpy(images[number]).copy_(torch.from_numpy(item.sample.image))
                masks[number] = item.sample.masks == 1
                valid[number] = (item.sample.masks != IGNORE).all(axis=0, keepdims=True)

    def read(self, slot: int, where: Mapping[str, tuple[str, ...]]) -> dict[str, Batch]:
        """The batches of a slot, which change when it is written again; masks are bool."""
        views = (torch.from_numpy(view) for view in self.layout.views(self._memory, slot))
        return {stream: Batch(next(views), next(views), next(views), where[stream]) for stream in self.layout.shapes}


def layout_of(items: Mapping[str, Sequence[Item]], half: bool, slots: int) -> Layout:
    """The layout that fits the items of a step, and so those of every step."""
    shapes = {
        stream: ((len(found), *found[0].sample.image.shape), (len(found), *found[0].sample.masks.shape))
        for stream, found in items.items()
    }
    return Layout(shapes, half, slots)


def new_memory(size: int) -> int:
    """A descriptor of zeroed memory that can be sent to another process."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("seg-batches")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
