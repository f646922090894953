"""The fixed views of a slice that features are made from: the slice itself, and augmented copies of it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from seg.config import Augment
from seg.data.augment import Augmentation
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch, SliceDataset, collate
from seg.data.order import Slice
from seg.data.plan import Plan


@dataclass(frozen=True)
class Views:
    """How views are made; the same slice, view and seed always give the same."""

    plan: Plan
    augment: Augment
    seed: int

    def augmentation(self, view: int) -> Augment:
        """None in view 0, where nothing but the crop of a slice that is too large is random."""
        return self.augment if view else Augment(strength=0)

    def batches(self, case: PreparedCase, view: int, batch_size: int) -> Iterator[Batch]:
        """The case's slices, in order."""
        augmentation = Augmentation(self.augmentation(view), self.plan.size_px)
        seed = _seed_of(case, self.seed)
        data = SliceDataset([case], _EverySlice(len(case)), augmentation, self.plan.neighbours, seed)
        positions = range(view * len(case), (view + 1) * len(case))
        for start in range(0, len(positions), batch_size):
            yield collate([data[position] for position in positions[start : start + batch_size]])


@dataclass(frozen=True)
class _EverySlice:
    """All slices of the only case, view after view."""

    slices: int

    def at(self, position: int) -> Slice:
        return 0, position % self.slices


def _seed_of(case: PreparedCase, seed: int) -> int:
    """Other random numbers for each case: they would all be turned alike otherwise."""
    return int(hashlib.sha256(f"{seed} {case.folder.name}".encode()).hexdigest()[:15], 16)
