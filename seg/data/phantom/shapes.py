"""Soft shapes on a voxel grid: smooth random fields, signed distances, a canvas that mixes tissues by partial volume.

Points and boxes are (x, y, z) in mm of the body (LPS: left, posterior, head); arrays are (z, y, x).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.interpolate import PchipInterpolator

from seg.types import FloatVolume, SpacingMm

Field: TypeAlias = FloatVolume
"""(z, y, x), single precision."""
Axes: TypeAlias = tuple[Field, Field, Field]
Region: TypeAlias = tuple[slice, slice, slice]
Box: TypeAlias = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

Triple: TypeAlias = Sequence[float] | FloatVolume

_REACH_MM = 300.0
_FAR_MM = np.float32(40.0)
_SPLINE_STD = (151.0 / 315.0) ** 1.5


def stream(*key: int | str) -> np.random.Generator:
    """Random numbers that depend on the key alone, so that one structure's draws never move another's."""
    return np.random.default_rng([part if isinstance(part, int) else zlib.crc32(part.encode()) for part in key])


def smooth_field(rng: np.random.Generator, axes: Axes, knot_mm: float) -> Field:
    """A random field of mean 0 and standard deviation 1 whose bumps are about `knot_mm` apart.

    The field lives in mm, so a finer grid samples the same field more densely.
    Source: cubic B-spline tensor product, Rueckert et al. 1999 (free-form deformations), eq. 2.
    """
    knots = np.arange(-_REACH_MM, _REACH_MM + knot_mm, knot_mm)
    values = rng.standard_normal((len(knots),) * 3, dtype=np.float32)
    for axis, positions in enumerate(axes):
        values = np.moveaxis(np.tensordot(_spline_weights(positions, knots, knot_mm), values, (1, axis)), 0, axis)
    return np.ascontiguousarray(values / np.float32(_SPLINE_STD))


def _spline_weights(positions: Field, knots: FloatVolume, knot_mm: float) -> Field:
    t = np.abs(positions[:, None] - knots[None, :]) / knot_mm
    inner = 2 / 3 - t**2 + t**3 / 2
    outer = np.clip(2 - t, 0, None) ** 3 / 6
    weights: Field = np.where(t < 1, inner, outer).astype(np.float32)
    return weights


def ramp(value: Field, knots: Sequence[tuple[float, float]]) -> Field:
    """Linear interpolation through (place, value) pairs, constant outside."""
    places, values = zip(*knots, strict=True)
    interpolated: Field = np.interp(value, places, values).astype(np.float32)
    return interpolated


def soft_step(value: Field, width: float) -> Field:
    """A smooth step from 0 to 1 around 0, about `width` mm wide to each side."""
    step: Field = np.float32(0.5) + np.float32(0.5) * np.tanh(value / np.float32(width))
    return step


def soft_max(one: Field, other: Field, radius: float) -> Field:
    """The intersection of two signed distances with its edge rounded by about `radius` mm."""
    joined: Field = np.float32(0.5) * (one + other + np.sqrt((one - other) ** 2 + np.float32(radius**2)))
    return joined


@dataclass
class Canvas:
    """A growing scan: HU so far, and for every structure with a name the share of each voxel it fills."""

    axes: Axes
    """Voxel centres (z, y, x) in mm."""
    spacing_mm: SpacingMm
    x: Field
    """Body coordinates of each voxel after the patient's deformation."""
    y: Field
    z: Field
    margin_mm: float
    """Largest difference between `axes` and body coordinates."""
    texture: Field
    """Correlated unit noise that parenchyma shares, in proportions of its own."""
    hu: Field
    shares: dict[str, Field] = field(default_factory=dict)
    extents: dict[str, Region] = field(default_factory=dict)
    """Where each share may differ from zero."""

    def region(self, box: Box) -> Region:
        """The voxels that may lie inside a box of body coordinates; at least two along each axis."""
        z, y, x = (
            _span(axis, low - self.margin_mm, high + self.margin_mm)
            for axis, (low, high) in zip(self.axes, reversed(box), strict=True)
        )
        return (z, y, x)

    @property
    def whole(self) -> Region:
        """Every voxel."""
        z, y, x = (slice(0, count) for count in self.hu.shape)
        return (z, y, x)

    def occupancy(self, distance: Field) -> Field:
        """Which share of each voxel lies inside, from a signed distance (negative inside) that need not be exact."""
        return self.occupancies(distance, 0.0)[0]

    def occupancies(self, distance: Field, *rims_mm: float) -> list[Field]:
        """The same for shapes grown by each of the rims (negative shrinks).

        The distance is measured in voxels along its own gradient, which makes thick slices softer across z.
        """
        slopes = np.gradient(distance)
        steepness = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2)
        np.maximum(steepness, np.float32(0.8 * min(self.spacing_mm)), out=steepness)
        return [np.clip(np.float32(0.5) - (distance - np.float32(rim)) / steepness, 0, 1) for rim in rims_mm]

    def paint(
        self, region: Region, share: Field, hu: float | Field, name: str | None = None, inside: str | None = None
    ) -> None:
        """Lay a tissue over what is there, to the given share of each voxel.

        With `inside`, only over that structure, whose own share stays as it is (vessels and lesions in an organ).
        """
        if inside is not None:
            share = share * self.shares[inside][region]
        view = self.hu[region]
        view += share * (np.asarray(hu, np.float32) - view)
        if inside is not None:
            return
        for other, extent in self.extents.items():
            common = _common(region, extent)
            if common is not None:
                self.shares[other][common] *= 1 - share[_within(common, region)]
        if name is not None:
            self.shares.setdefault(name, np.zeros_like(self.hu))[region] += share
            self.extents[name] = _around(region, self.extents.get(name, region))

    def roughness(self, rng: np.random.Generator, region: Region, knot_mm: float) -> Field:
        """A smooth random field on a part of the grid, to add to a distance."""
        z, y, x = (axis[part] for axis, part in zip(self.axes, region, strict=True))
        return smooth_field(rng, (z, y, x), knot_mm)

    def parenchyma(self, region: Region, mean_hu: float, texture_hu: float) -> Field:
        """Tissue of that mean with the texture at that strength."""
        return np.float32(mean_hu) + np.float32(texture_hu) * self.texture[region]

    def ellipsoid(self, region: Region, centre: Triple, radii: Triple, lean: float = 0.0) -> Field:
        """Signed distance to an ellipsoid; `lean` tips its long axis: mm of x per mm of z."""
        x = (self.x[region] - np.float32(centre[0])) - np.float32(lean) * (self.z[region] - np.float32(centre[2]))
        y = self.y[region] - np.float32(centre[1])
        z = self.z[region] - np.float32(centre[2])
        scaled = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2 + 1e-6).astype(np.float32)
        length = np.sqrt(x**2 + y**2 + z**2 + np.float32((1e-3 * min(radii)) ** 2))
        distance: Field = length * (1 - 1 / scaled)
        return distance

    def tube(self, line: FloatVolume, wobble: Field | None = None) -> tuple[Region, Field]:
        """Signed distance to a tube along (n, 4) points x, y, z, radius, and the region it is given in.

        `wobble` (mm, whole grid) roughens the surface.
        """
        reach = line[:, 3].max() + 6
        low, high = line[:, :3].min(0) - reach, line[:, :3].max(0) + reach
        region = self.region(_box(low, high))
        distance = np.full(self.hu[region].shape, _FAR_MM, np.float32)
        for start, end in pairwise(line):
            self._capsule(distance, region, start, end)
        return region, distance if wobble is None else distance + wobble[region]

    def _capsule(self, distance: Field, region: Region, start: FloatVolume, end: FloatVolume) -> None:
        reach = max(start[3], end[3]) + 6
        whole = self.region(_box(np.minimum(start, end)[:3] - reach, np.maximum(start, end)[:3] + reach))
        inner = _within(whole, region)
        offset = [c[whole] - np.float32(s) for c, s in zip((self.x, self.y, self.z), start[:3], strict=True)]
        step = (end[:3] - start[:3]).astype(np.float32)
        along = sum(o * s for o, s in zip(offset, step, strict=True)) / max(float(step @ step), 1e-6)
        along = np.clip(along, 0, 1)
        squared = sum((o - along * s) ** 2 for o, s in zip(offset, step, strict=True))
        radius = np.float32(start[3]) + along * np.float32(end[3] - start[3])
        np.minimum(distance[inner], np.sqrt(squared) - radius, out=distance[inner])


def _span(axis: Field, low: float, high: float) -> slice:
    first, last = int(np.searchsorted(axis, low)), int(np.searchsorted(axis, high))
    first = min(max(first - 1, 0), len(axis) - 2)
    return slice(first, max(min(last + 1, len(axis)), first + 2))


def _within(inner: Region, outer: Region) -> Region:
    """The inner region counted from the outer one's corner."""
    z, y, x = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
    return (z, y, x)


def _common(one: Region, other: Region) -> Region | None:
    z, y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (z, y, x) if all(part.stop > part.start for part in (z, y, x)) else None


def _around(one: Region, other: Region) -> Region:
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (z, y, x)


def _box(low: FloatVolume, high: FloatVolume) -> Box:
    return ((low[0], high[0]), (low[1], high[1]), (low[2], high[2]))


def smooth_line(points: Sequence[Sequence[float]], step_mm: float = 12.0) -> FloatVolume:
    """Points x, y, z, radius joined by a smooth curve, resampled about every `step_mm`: (n, 4)."""
    corners = np.asarray(points, np.float64)
    moved = np.concatenate([[True], np.linalg.norm(np.diff(corners[:, :3], axis=0), axis=1) > 1e-6])
    corners = corners[moved]
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners[:, :3], axis=0), axis=1))])
    count = max(int(length[-1] / step_mm) + 1, 3)
    curve: FloatVolume = PchipInterpolator(length, corners)(np.linspace(0, length[-1], count))
    return curve
