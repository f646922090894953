"""Damage for restoration to undo: changed intensities, local shuffling, in-painting, out-painting.

Source: Zhou et al. 2021, Models Genesis, Med. Image Anal. 67:101840; numbers as in the authors' released code
(pytorch/config.py and pytorch/utils.py), brought from cubes to slices. All channels of a slice are damaged at the same
places: a neighbouring slice would otherwise give away what was taken from the middle one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(channel, y, x), 0 to 1."""

Window = tuple[slice, slice]

_CURVE_POINTS = 1000
_GREYS = 4096
"""Intensities that are told apart when a curve is applied."""
_WINDOW_SHARE = 10
"""Shuffled windows have sides of 1 pixel to this part of the slice's side."""
_COVERAGE = 1.87
"""Pixels in all shuffled windows per pixel; 10,000 windows of 24.5 voxels on average in cubes of 64 x 64 x 32."""
_MOST_WINDOWS = 5
_ANOTHER_WINDOW = 0.95
"""Probability of each further window."""
_MARGIN = 3
"""Pixels between a painted window and the slice's edge."""


@dataclass(frozen=True)
class Rates:
    """How often each kind of damage is done."""

    intensity: float
    shuffling: float
    painting: float
    inpainting: float
    """Share of the painted slices that are painted inside; the others are painted outside."""


@dataclass(frozen=True)
class Damaged:
    """A damaged slice."""

    image: Image
    done: tuple[str, ...]
    """In words, such as `shuffled`; empty where chance left the slice as it was."""


def damaged(image: Image, rates: Rates, random: np.random.Generator) -> Damaged:
    """Shuffling, then intensities, then painting, each by chance."""
    chosen: list[tuple[str, Callable[[Image, np.random.Generator], Image]]] = []
    if random.random() < rates.shuffling:
        chosen.append(("shuffled", shuffled))
    if random.random() < rates.intensity:
        chosen.append(("intensities changed", remapped))
    if random.random() < rates.painting:
        inside = random.random() < rates.inpainting
        chosen.append(("painted inside", painted_inside) if inside else ("painted outside", painted_outside))
    for _, damage in chosen:
        image = damage(image, random)
    return Damaged(image, tuple(name for name, _ in chosen))


def remapped(image: Image, random: np.random.Generator) -> Image:
    """Intensities through a random monotone curve, which falls half of the time.

    A cubic Bezier curve from (0, 0) to (1, 1) whose two other control points are uniform in the unit square: its
    x(t) and y(t) never fall. Read backwards along y, the curve is a falling function.
    """
    inner = random.random((2, 2))
    x, y = bezier(np.vstack([[0.0, 0.0], inner, [1.0, 1.0]]))
    if random.random() < 0.5:
        y = y[::-1]
    # A table is ten times as fast as interpolating for every pixel.
    table = np.interp(np.linspace(0.0, 1.0, _GREYS), x, y).astype(np.float32)
    changed: Image = table[(np.clip(image, 0.0, 1.0) * (_GREYS - 1) + 0.5).astype(np.int32)]
    return changed


def bezier(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, n) points x, y along the cubic curve of four control points (4, 2).

    Source: Bernstein form, B(t) = (1-t)^3 P0 + 3 (1-t)^2 t P1 + 3 (1-t) t^2 P2 + t^3 P3.
    """
    t = np.linspace(0.0, 1.0, _CURVE_POINTS)
    basis = np.stack([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3])
    curve: NDArray[np.float64] = points.T @ basis
    return curve


def shuffled(image: Image, random: np.random.Generator) -> Image:
    """Pixels change places within many small windows; the texture goes, what is in each region stays."""
    height, width = image.shape[1:]
    sides = [max(1, side // _WINDOW_SHARE) for side in (height, width)]
    mean_area = (1 + sides[0]) / 2 * (1 + sides[1]) / 2
    count = round(_COVERAGE * height * width / mean_area)
    heights, widths = (random.integers(1, side, count, endpoint=True) for side in sides)
    rows, columns = random.integers(height - heights + 1), random.integers(width - widths + 1)
    places = np.arange(height * width).reshape(height, width)
    origin = places.copy()
    for row, column, high, wide in zip(rows, columns, heights, widths, strict=True):
        window = slice(row, row + high), slice(column, column + wide)
        origin[window] = random.permutation(places[window].ravel()).reshape(high, wide)
    moved: Image = image.reshape(len(image), -1)[:, origin]
    return moved


def painted_inside(image: Image, random: np.random.Generator) -> Image:
    """Noise in up to five windows, each a sixth to a third of the slice's side."""
    painted = image.copy()
    for _ in range(_MOST_WINDOWS):
        if random.random() >= _ANOTHER_WINDOW:
            break
        rows, columns = (_stretch(side, side // 6, side // 3, random) for side in image.shape[1:])
        kept = painted[:, rows, columns]
        painted[:, rows, columns] = random.random(kept.shape, dtype=np.float32)
    return painted


def painted_outside(image: Image, random: np.random.Generator) -> Image:
    """Noise everywhere but in one to five windows, each three to four sevenths of the slice's side."""
    painted = random.random(image.shape, dtype=np.float32)
    for number in range(_MOST_WINDOWS):
        if number and random.random() >= _ANOTHER_WINDOW:
            break
        rows, columns = (_stretch(side, side - 4 * side // 7, side - 3 * side // 7, random) for side in image.shape[1:])
        painted[:, rows, columns] = image[:, rows, columns]
    return painted


def _stretch(side: int, shortest: int, longest: int, random: np.random.Generator) -> slice:
    length = int(random.integers(shortest, longest, endpoint=True))
    start = int(random.integers(_MARGIN, side - length - _MARGIN, endpoint=True))
    return slice(start, start + length)
