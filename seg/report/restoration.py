"""What a page shows of a pretraining."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.records import Interval


@dataclass(frozen=True)
class RestoredSlice:
    """One held-out slice as it was, after damage, and restored; (y, x), 0 black to 255 white."""

    title: str
    """Why it is shown, such as `Worst restored`."""
    patient: str
    """The real name, as in a Picture."""
    done: str
    """The damage, in words."""
    before: float
    """Mean squared difference of the damaged slice from the original; intensities run from 0 to 1."""
    after: float
    """The same of the restored slice."""
    original: NDArray[np.uint8]
    damaged: NDArray[np.uint8]
    restored: NDArray[np.uint8]


@dataclass(frozen=True)
class RestorationOutcome:
    """How well a pretraining restores damaged scans of patients it never saw; intervals are over patients."""

    slices: int
    """How many were damaged and restored; 0 where nobody was held out."""
    before: Interval
    """Root of the mean squared difference of damaged slices from the originals; intensities run from 0 to 1."""
    after: Interval
    """The same of restored slices."""
    grey: Interval
    """The same of slices that are all of the original's mean intensity: what needs no eye for anatomy."""
    removed: Interval
    """Share of the squared difference that restoration removes; below 0 where it adds some."""
    pictures: tuple[RestoredSlice, ...] = ()
