from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from seg.types import MaskVolume, SpacingMm

Distances = NDArray[np.float64]

_WORTH_THREADS = 5000
"""For fewer surface voxels, starting threads takes longer than the search."""


@dataclass(frozen=True)
class SurfaceDistances:
    """Of every surface voxel of one mask, the distance to the nearest surface voxel of the other; in no special order.

    In mm, or in pixels where the spacing was given as 1.
    """

    from_prediction: Distances
    from_reference: Distances

    @property
    def pooled(self) -> Distances:
        """Both directions together."""
        return np.concatenate([self.from_prediction, self.from_reference])


def surface(mask: MaskVolume, axes: tuple[int, ...] = (0, 1, 2)) -> MaskVolume:
    """The voxels of `mask` with a face neighbour outside it; what lies beyond the array counts as outside.

    `axes` are the directions in which neighbours are looked at: (1, 2) treats every slice as a picture of its own.
    Source: the definition of MONAI's `get_mask_edges`, `binary_erosion(mask) ^ mask` with six neighbours.
    """
    inside = mask.copy()
    for axis in axes:
        kept, whole = np.moveaxis(inside, axis, 0), np.moveaxis(mask, axis, 0)
        kept[1:] &= whole[:-1]
        kept[:-1] &= whole[1:]
        kept[0] = kept[-1] = False
    return np.logical_xor(mask, inside)


def surface_axes(shape: tuple[int, int, int], contiguous: bool) -> tuple[int, ...]:
    """Directions in which a mask has a surface: only the plane where slices are not contiguous or there is but one."""
    return (0, 1, 2) if contiguous and shape[0] > 1 else (1, 2)


def image_diagonal(shape: tuple[int, int, int], spacing_mm: SpacingMm, contiguous: bool) -> float:
    """Corner to corner, voxel edges included, of the volume, or of one slice where slices are not contiguous.

    Larger than any distance between two voxels, so it can stand for `nothing there to measure to`.
    """
    axes = surface_axes(shape, contiguous)
    return float(np.hypot.reduce([shape[axis] * spacing_mm[axis] for axis in axes]))


def surface_distances(
    prediction: MaskVolume, reference: MaskVolume, spacing_mm: SpacingMm, axes: tuple[int, ...], diagonal: float
) -> SurfaceDistances:
    """Exact Euclidean distances between the surfaces of two masks; neither may be empty.

    With `axes` (1, 2) distances stay within a slice; where a slice shows only one of the masks, its surface has the
    distance `diagonal`.
    """
    surfaces = surface(prediction, axes), surface(reference, axes)
    shared = np.logical_and(*surfaces)
    # Slices that must not see each other are laid so far apart that the nearest neighbour is in the own slice.
    spacing = spacing_mm if 0 in axes else (4.0 * diagonal, *spacing_mm[1:])
    agreed = np.zeros(int(np.count_nonzero(shared)))
    directed = [
        np.concatenate([agreed, _nearest(_places(own ^ shared, spacing), _places(other, spacing), diagonal)])
        for own, other in (surfaces, surfaces[::-1])
    ]
    return SurfaceDistances(*directed)


def _places(mask: MaskVolume, spacing: SpacingMm) -> Distances:
    indices = np.unravel_index(np.flatnonzero(mask), mask.shape)
    return np.stack([index * step for index, step in zip(indices, spacing, strict=True)], axis=1)


def _nearest(places: Distances, others: Distances, diagonal: float) -> Distances:
    if not len(places):
        return np.zeros(0)
    # A tree that is asked once repays neither balance nor compaction; measured 1.3 times faster for 48,000 voxels.
    tree = cKDTree(others, leafsize=32, compact_nodes=False, balanced_tree=False)
    workers = -1 if len(places) > _WORTH_THREADS else 1
    distances: Distances = np.minimum(tree.query(places, workers=workers)[0], diagonal)
    return distances
