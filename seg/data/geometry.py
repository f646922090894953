"""Where a scan's voxels lie in the patient, and the way to the canonical view and back."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation

from seg.errors import DataError
from seg.types import Affine, AnyArray, SpacingMm

SHEAR_NOISE = 1e-5
"""Cosines between axes up to here are rounding of the header's float32 numbers."""
SHEAR_LIMIT = 1e-3
"""Cosines between axes above this are a true shear, which no rotation explains."""
SPACING_RANGE_MM = (1e-4, 500.0)
"""Voxel sizes outside this range are taken for damage, not for anatomy."""

_RAS_TO_LPS = (-1, -1, 1)


@dataclass(frozen=True, eq=False)
class Grid:
    """The lattice of one volume, in its file's own axis order.

    The canonical view is (z, y, x) in LPS: x grows to the patient's left, y to posterior, z to the head. Oblique scans
    are not resampled; each axis is matched with the anatomical axis that it follows most.
    """

    shape: tuple[int, int, int]
    """Voxels along the file's own axes i, j, k."""
    affine: Affine
    """Voxel index (i, j, k, 1) to millimetres in RAS+."""

    @property
    def spacing_mm(self) -> SpacingMm:
        """Distance between voxel centres along the canonical (z, y, x)."""
        own = np.linalg.norm(self.affine[:3, :3], axis=0)
        axes, _ = self._axes()
        return float(own[axes[0]]), float(own[axes[1]]), float(own[axes[2]])

    @property
    def canonical_shape(self) -> tuple[int, int, int]:
        """Voxels along the canonical (z, y, x)."""
        (z, y, x), _ = self._axes()
        return self.shape[z], self.shape[y], self.shape[x]

    @property
    def canonical_affine(self) -> Affine:
        """Canonical index (z, y, x, 1) to millimetres in RAS+."""
        axes, flips = self._axes()
        to_own = np.zeros((4, 4))
        to_own[3, 3] = 1.0
        for canonical, (own, flip) in enumerate(zip(axes, flips, strict=True)):
            to_own[own, canonical] = -1.0 if flip else 1.0
            to_own[own, 3] = self.shape[own] - 1 if flip else 0.0
        return np.asarray(self.affine @ to_own, dtype=np.float64)

    def to_canonical(self, array: AnyArray) -> AnyArray:
        """(..., i, j, k) as a view (..., z, y, x); leading axes stay."""
        axes, flips = self._axes()
        lead = array.ndim - 3
        turned = array.transpose(*range(lead), *(lead + axis for axis in axes))
        view: AnyArray = turned[_turning(flips)]
        return view

    def from_canonical(self, array: AnyArray) -> AnyArray:
        """(..., z, y, x) as a view (..., i, j, k): the exact inverse of `to_canonical`."""
        axes, flips = self._axes()
        lead = array.ndim - 3
        turned: AnyArray = array[_turning(flips)]
        return turned.transpose(*range(lead), *(lead + int(axis) for axis in np.argsort(axes)))

    def displacement_voxels(self, other: "Grid") -> float:
        """How far, in voxels of this grid, the corners of the two canonical views lie apart; inf for unlike shapes."""
        if self.canonical_shape != other.canonical_shape:
            return float("inf")
        return corner_displacement(self.canonical_affine, other.canonical_affine, self.canonical_shape)

    def _axes(self) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
        """The file's axes that follow canonical z, y, x, and whether each runs the other way."""
        orientation = io_orientation(self.affine)
        own = {int(world): (index, float(sign)) for index, (world, sign) in enumerate(orientation)}
        found = [own[world] for world in (2, 1, 0)]
        flips = [sign * _RAS_TO_LPS[world] < 0 for (_, sign), world in zip(found, (2, 1, 0), strict=True)]
        return (found[0][0], found[1][0], found[2][0]), (flips[0], flips[1], flips[2])


def _turning(flips: tuple[bool, bool, bool]) -> tuple[Any, ...]:
    """The index that turns the flagged ones of the last three axes around."""
    return (..., *(slice(None, None, -1 if flip else 1) for flip in flips))


def corner_displacement(one: Affine, other: Affine, shape: tuple[int, int, int]) -> float:
    """Largest distance between the corners of `shape` under two affines, in voxels of the first."""
    corners = np.array([[*corner, 1.0] for corner in itertools.product(*((0.0, side - 1.0) for side in shape))])
    moved = corners @ np.linalg.solve(one, other).T
    return float(np.linalg.norm((moved - corners)[:, :3], axis=1).max())


def usable_affine(affine: Affine, shape: tuple[int, int, int]) -> tuple[Affine, tuple[str, ...]]:
    """The affine, freed of a slight shear (with a note) about the centre of the volume.

    The nearest rotation is the orthogonal factor of the polar decomposition.
    Source: Higham, Computing the polar decomposition, SIAM J. Sci. Stat. Comput. 1986, eq. (2.1).

    Raises:
        DataError: for spacing that is not finite, not above zero or absurd, and for shear of 1e-3 or more.
    """
    _check_spacing(affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    shear = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if shear >= SHEAR_LIMIT:
        raise DataError(
            found=f"a sheared grid: its axes are off the right angle by {shear:.4f} (cosine)",
            expected=f"axes at right angles, up to {SHEAR_LIMIT}",
            fix="resample the scan to a grid without shear, such as by re-exporting it with gantry-tilt correction",
            code="shear",
        )
    if shear < SHEAR_NOISE:
        return affine, ()
    left, _, right = np.linalg.svd(directions)
    straight = np.eye(4)
    straight[:3, :3] = (left @ right) * spacing
    centre = (np.array(shape) - 1) / 2
    straight[:3, 3] = affine[:3, :3] @ centre + affine[:3, 3] - straight[:3, :3] @ centre
    return straight, (f"a slight shear of {shear:.1e} was straightened about the centre of the volume",)


def _check_spacing(affine: Affine) -> None:
    low, high = SPACING_RANGE_MM
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all():
        problem = "an affine with numbers that are not finite"
    elif (spacing <= 0).any():
        problem = f"voxel size {_listed(spacing)} mm"
    elif (spacing < low).any() or (spacing > high).any():
        problem = f"an absurd voxel size of {_listed(spacing)} mm"
    else:
        return
    raise DataError(
        found=problem, expected=f"three voxel sizes between {low} and {high} mm",
        fix="export the scan again, or write the true voxel size into its header", code="spacing",
    )  # fmt: skip


def _listed(numbers: AnyArray) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)
