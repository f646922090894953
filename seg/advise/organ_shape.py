"""How large an organ is in a slice, in how many parts, how long and how full: what stays when the patient changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from seg.data.cache import PreparedCase

_FEWEST_PIXELS = 5
"""Below so many, a slice says nothing of a shape."""
_EIGHT = np.ones((3, 3), np.int64)
"""Pixels that touch at a corner are one part."""


@dataclass(frozen=True)
class OrganShape:
    """Medians over the slices that show the organ."""

    area: float
    """In the unit of the network's grid, squared: mm or px."""
    parts: float
    """Connected parts per slice."""
    elongation: float
    """Length by width, of the ellipse with the same second moments; 1 for a disc."""
    fullness: float
    """Area by that of the ellipse with the same second moments: 1 for an ellipse, less for what is bent or parted."""


def organ_shape(cases: Sequence[PreparedCase], spacing: float) -> OrganShape | None:
    """Of all the organs together, in slices of at least five organ pixels; None where there is no such slice.

    Source: the moments of an ellipse, area = 4 pi sqrt(det S), S the covariance of its points (Hu 1962).
    """
    slices = [case.masks[z] == 1 for case in cases for z in case.organ_slices]
    shapes = [_slice_shape(mask.any(axis=0)) for mask in slices if mask.any(axis=0).sum() >= _FEWEST_PIXELS]
    if not shapes:
        return None
    pixels, parts, elongation, fullness = (float(value) for value in np.median(shapes, axis=0))
    return OrganShape(pixels * spacing**2, parts, elongation, fullness)


def _slice_shape(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    places = np.argwhere(mask).astype(np.float64)
    # A pixel is a square, not a point: its own second moment is 1 / 12.
    covariance = np.cov(places.T, bias=True) + np.eye(2) / 12
    short, long = np.linalg.eigvalsh(covariance)
    ellipse = 4 * np.pi * float(np.sqrt(short * long))
    return float(len(places)), float(label(mask, _EIGHT)[1]), float(np.sqrt(long / short)), len(places) / ellipse
