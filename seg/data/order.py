"""Which slice stands at which position of the training: a function of (seed, position) alone.

Nothing here depends on the number of workers or on where a run was interrupted, so a resumed run sees the same slices.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seg.data.cache import PreparedCase

Slice = tuple[int, int]
"""(index of the case, index of its slice)."""


class Order(Protocol):
    """Which slice stands at which position; abstract."""

    def at(self, position: int) -> Slice:
        """The slice at a position."""
        ...


class SliceOrder:
    """An endless order of slices, epoch after epoch, each epoch a new permutation.

    An epoch has every slice that shows an organ, and of the others as many as keep `foreground_fraction`;
    which of them is drawn anew each epoch. Without any organ slice (unlabelled cases) every slice counts.
    """

    def __init__(self, cases: Sequence[PreparedCase], seed: int, foreground_fraction: float) -> None:
        """`seed` also tells streams apart: give each stream its own."""
        self._seed = seed
        self._organ = [(c, z) for c, case in enumerate(cases) for z in case.organ_slices]
        shown = set(self._organ)
        self._other = [(c, z) for c, case in enumerate(cases) for z in range(len(case)) if (c, z) not in shown]
        self._drawn = len(self._other) if not self._organ else min(len(self._other), self._wanted(foreground_fraction))
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def _wanted(self, fraction: float) -> int:
        return len(self._other) if fraction == 0 else math.floor(len(self._organ) * (1 - fraction) / fraction)

    @property
    def epoch_length(self) -> int:
        """Slices in one epoch."""
        return len(self._organ) + self._drawn

    def at(self, position: int) -> Slice:
        """The slice at a position counted from the very first slice of the training."""
        epoch, index = divmod(position, self.epoch_length)
        number = int(self._epoch(epoch)[index])
        slices = len(self._organ)
        return self._organ[number] if number < slices else self._other[number - slices]

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._epochs:
            # Two are kept, since a batch can reach from one into the next.
            self._epochs = {**dict(list(self._epochs.items())[-1:]), epoch: self._draw_epoch(epoch)}
        return self._epochs[epoch]

    def _draw_epoch(self, epoch: int) -> NDArray[np.int64]:
        random = np.random.default_rng((self._seed, epoch))
        others = len(self._organ) + random.permutation(len(self._other))[: self._drawn]
        return random.permutation(np.concatenate([np.arange(len(self._organ)), others]))
