"""Which slices and pixels of a case stand for it: drawn by the case's content alone, as many of each kind."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seg.advise.evidence import Draw, Numbers
from seg.data.cache import PreparedCase
from seg.data.volume import IGNORE
from seg.models.edges import boundary_band

_Where = NDArray[np.bool_]


@dataclass(frozen=True)
class Pixels:
    """Drawn pixels of the slices of a case."""

    slices: NDArray[np.uint8]
    """(pixels,) which of the slices."""
    places: Numbers
    """(pixels, 2) row and column."""
    draws: NDArray[np.uint8]
    """(pixels,) Draw."""
    organs: NDArray[np.uint8]
    """(pixels,) number of the organ from 1 on, for `Draw.ORGAN`."""


def spread_slices(case: PreparedCase, count: int) -> tuple[int, ...]:
    """At most `count` of the slices that show an organ, evenly spread, away from both ends."""
    shown = case.organ_slices
    if len(shown) <= count:
        return shown
    return tuple(shown[int((number + 0.5) * len(shown) / count)] for number in range(count))


def draw_pixels(case: PreparedCase, slices: tuple[int, ...], count: int, edge_width_px: int) -> Pixels:
    """At most `count` pixels of each draw per slice, those of organs per organ; pixels to be ignored are left out.

    The same folder of a prepared case, which is named by its content, gives the same pixels.
    """
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(case.folder.name.encode()).digest()[:8], "big"))
    found = []
    for number, z in enumerate(slices):
        for draw, organ, where in _regions(np.asarray(case.masks[z]), edge_width_px):
            inside = np.flatnonzero(where)
            chosen = random.choice(inside, min(count, len(inside)), replace=False)
            places = np.stack(np.unravel_index(chosen, where.shape), axis=1)
            found.append((places, np.tile(np.array([number, draw, organ], np.uint8), (len(chosen), 1))))
    facts = np.concatenate([part for _, part in found])
    return Pixels(facts[:, 0], np.concatenate([places for places, _ in found]), facts[:, 1], facts[:, 2])


def _regions(masks: NDArray[np.uint8], edge_width_px: int) -> Iterator[tuple[Draw, int, _Where]]:
    """Of one slice (organ, y, x), the pixels that each draw may take."""
    valid = (masks != IGNORE).all(axis=0)
    shown = masks == 1
    band = boundary_band(torch.from_numpy(shown)[None].float(), edge_width_px)[0].amax(dim=0).numpy() > 0
    for organ, where in enumerate(shown, start=1):
        yield Draw.ORGAN, organ, where & valid
    yield Draw.OTHER, 0, ~shown.any(axis=0) & valid
    yield Draw.BAND, 0, band & valid
    yield Draw.BEYOND, 0, ~band & valid
    yield Draw.ANY, 0, np.ones_like(valid)
