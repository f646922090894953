"""Keep the largest connected parts of a mask, and decide from validation patients whether that helps."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seg.types import AnyArray, MaskVolume


def keep_largest(mask: MaskVolume, components: int = 1, contiguous: bool = True) -> MaskVolume:
    """A copy of `mask` (z, y, x) with only its `components` largest parts.

    Voxels that share a face, an edge or a corner are connected (26 neighbours), as in TotalSegmentator. Of parts of one
    size the one that comes first in memory order stays. With lone slices (`contiguous=False`) every slice is treated on
    its own.
    """
    if not contiguous:
        kept = [_keep_in_box(picture[None], components)[0] for picture in mask]
        return np.stack(kept) if kept else mask.copy()
    return _keep_in_box(mask, components)


def _keep_in_box(mask: MaskVolume, components: int) -> MaskVolume:
    kept = np.zeros_like(mask)
    found = ndimage.find_objects(mask.astype(np.int8))
    if found:
        kept[found[0]] = _keep(np.ascontiguousarray(mask[found[0]]), components)
    return kept


def _keep(mask: MaskVolume, components: int) -> MaskVolume:
    parts = connected_parts(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    if np.count_nonzero(sizes) <= components:
        return mask.copy()
    kept = np.zeros(len(sizes), dtype=np.bool_)
    kept[_largest(parts, sizes, components)] = True
    return kept[parts]


def _largest(parts: AnyArray, sizes: AnyArray, components: int) -> AnyArray:
    smallest = np.sort(sizes)[-components]
    chosen, tied = np.flatnonzero(sizes > smallest), np.flatnonzero(sizes == smallest)
    room = components - len(chosen)
    if len(tied) > room:
        # Numbering differs between libraries, the first voxel does not.
        first = [int(np.argmax(parts.ravel() == part)) for part in tied]
        tied = tied[np.argsort(first)[:room]]
    return np.concatenate([chosen, tied])


def connected_parts(mask: MaskVolume) -> AnyArray:
    """Every connected part (26 neighbours) under its own number, 0 outside; by cc3d where installed, else scipy."""
    if importlib.util.find_spec("cc3d"):
        return _parts_by_cc3d(mask)
    return _parts_by_scipy(mask)


def _parts_by_cc3d(mask: MaskVolume) -> AnyArray:
    import cc3d

    parts: AnyArray = cc3d.connected_components(mask, connectivity=26)
    return parts


def _parts_by_scipy(mask: MaskVolume) -> AnyArray:
    parts: AnyArray = ndimage.label(mask, structure=np.ones((3, 3, 3)))[0]
    return parts


@dataclass(frozen=True)
class KeepLargestDecision:
    """Whether keeping only the largest parts helped, and on what evidence."""

    keep: bool
    n: int
    """Patients compared."""
    mean_without: float | None
    mean_with: float | None
    """Mean Dice over those patients; None without any."""
    better: int
    """Patients whose Dice rose."""
    worse: int
    """Patients whose Dice fell."""

    @property
    def sentence(self) -> str:
        """The decision in words for a report."""
        if self.mean_without is None or self.mean_with is None:
            return "All parts are kept: no validation patient could say whether keeping the largest helps."
        what = "Only the largest connected parts are kept" if self.keep else "All parts are kept"
        return (
            f"{what}: on {self.n} validation patients keeping the largest changes the mean Dice from "
            f"{self.mean_without:.4f} to {self.mean_with:.4f} ({self.better} better, {self.worse} worse)."
        )


def decide_keep_largest(
    without: Mapping[str, float | None], with_it: Mapping[str, float | None]
) -> KeepLargestDecision:
    """Decide from the Dice of the same validation patients without and with keeping the largest parts.

    It is kept where the mean rises and no fewer patients gain than lose, so that one outlier cannot carry it alone.
    Patients that are undefined on either side, or missing on one, are not compared.
    """
    pairs = [
        (before, after)
        for patient, before in without.items()
        if before is not None and (after := with_it.get(patient)) is not None
    ]
    if not pairs:
        return KeepLargestDecision(keep=False, n=0, mean_without=None, mean_with=None, better=0, worse=0)
    before, after = np.array(pairs).T
    better, worse = int(np.sum(after > before)), int(np.sum(after < before))
    keep = bool(after.mean() > before.mean()) and better >= worse
    return KeepLargestDecision(keep, len(pairs), float(before.mean()), float(after.mean()), better, worse)
