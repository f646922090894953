"""Prepared cases as training samples by position, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seg.data.augment import Augmentation, Sample
from seg.data.cache import PreparedCase
from seg.data.loading_errors import slice_error
from seg.data.order import Order
from seg.data.prepare import stack_neighbours
from seg.data.volume import IGNORE


@dataclass(frozen=True)
class Item:
    """One training slice and where it came from."""

    sample: Sample
    where: str
    """`case, slice z`, for messages."""


@dataclass(frozen=True)
class Batch:
    """Slices of one stream at one step."""

    images: Tensor
    """(batch, channel, y, x) float, 0 to 1; in half precision on the way to a GPU that computes in 16 bits."""
    masks: Tensor
    """(batch, organ, y, x) float, 0 or 1; bool on the way to a GPU."""
    valid: Tensor
    """(batch, 1, y, x) bool; where False, neither trained on nor scored."""
    where: tuple[str, ...]
    """Case and slice of each image."""
    features: tuple[Tensor, ...] | None = None
    """The encoder's maps where they were made before, as `SegNetwork.encode` gives them; images are not used then."""

    def to(self, device: torch.device, memory_format: torch.memory_format = torch.preserve_format) -> "Batch":
        """The batch on a device, in single precision; copies from pinned memory do not block."""
        return Batch(
            self.images.to(device, non_blocking=True, memory_format=memory_format).float(),
            self.masks.to(device, non_blocking=True).float(),
            self.valid.to(device, non_blocking=True),
            self.where,
            None if self.features is None else tuple(f.to(device, non_blocking=True) for f in self.features),
        )

    def pin_memory(self) -> "Batch":
        """Called by the loader before a copy to a GPU."""
        features = None if self.features is None else tuple(feature.pin_memory() for feature in self.features)
        return Batch(self.images.pin_memory(), self.masks.pin_memory(), self.valid.pin_memory(), self.where, features)


class SliceDataset(Dataset[Item]):
    """Training slices indexed by their position in the whole training, not by slice number."""

    def __init__(
        self, cases: Sequence[PreparedCase], order: Order, augmentation: Augmentation, neighbours: int, seed: int
    ) -> None:
        """`seed` and the position together decide the augmentation."""
        self._cases = cases
        self._order = order
        self._augmentation = augmentation
        self._neighbours = neighbours
        self._seed = seed

    def __getitem__(self, position: int) -> Item:
        """The augmented slice at a position; the same whatever process asks."""
        case, z = self._slice(position)
        neighbours = self._neighbours if case.contiguous else 0
        image = stack_neighbours(case.image, z, neighbours, case.contiguous)
        changed = self._augmentation(Sample(image, np.asarray(case.masks[z])), (self._seed, position))
        if not case.contiguous:
            changed = Sample(np.repeat(changed.image, 2 * self._neighbours + 1, axis=0), changed.masks)
        return Item(changed, self.where(position))

    def where(self, position: int) -> str:
        """`case, slice z` at a position; no file is touched."""
        case, z = self._slice(position)
        return f"{case.name}, slice {z}"

    def _slice(self, position: int) -> tuple[PreparedCase, int]:
        number, z = self._order.at(position)
        return self._cases[number], z


@dataclass(frozen=True)
class Stream:
    """Slices of one kind, and which of them a step takes."""

    dataset: SliceDataset
    batch_size: int
    part: tuple[int, int] = (0, 1)
    """Which of how many equal parts of every batch is loaded here; other processes load the others."""

    def positions(self, step: int) -> range:
        """Where in the data set a step's slices stand."""
        number, count = self.part
        size = self.batch_size // count
        first = step * self.batch_size + number * size
        return range(first, first + size)

    def load(self, position: int) -> Item:
        """The slice at a position; whatever goes wrong becomes a SegError that names it."""
        try:
            return self.dataset[position]
        except Exception as error:
            raise slice_error(error, self.dataset.where(position)) from error


def collate(items: Sequence[Item]) -> Batch:
    """Items as one batch."""
    masks = torch.from_numpy(np.stack([item.sample.masks for item in items]))
    return Batch(
        images=torch.from_numpy(np.stack([item.sample.image for item in items])),
        masks=(masks == 1).float(),
        valid=(masks != IGNORE).all(dim=1, keepdim=True),
        where=tuple(item.where for item in items),
    )
