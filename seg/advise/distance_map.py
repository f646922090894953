"""How far data sets lie apart to one network, drawn in two dimensions, and which of them lies on the way."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seg.advise.evidence import Seen
from seg.transfer.mmd import gaussian_kernel

_Array = NDArray[np.float64]
DISTANCE = "maximum mean discrepancy of whole slices (the measure mmd is its square)"


@dataclass(frozen=True)
class DistanceMap:
    """Data sets as one network sees them; the last one is the target."""

    network: str
    """Name of the source whose network looked."""
    names: tuple[str, ...]
    organs: tuple[tuple[str, ...], ...]
    """What the masks of each data set show."""
    sources: tuple[tuple[str, ...], ...]
    """Names of the sources that learned from each data set; none for the target."""
    distances: tuple[tuple[float, ...], ...]
    """0 to 1.4: the root of the squared discrepancy; each row is one data set's to all."""
    places: tuple[tuple[float, float], ...]
    held: float
    """Share of the squared distances that the two dimensions hold."""

    def between(self, one: str, other: str) -> float:
        """The distance of two data sets."""
        return self.distances[self.names.index(one)][self.names.index(other)]

    def of_source(self, source: str) -> str | None:
        """The data set that a source learned from; None where its scans are not on the map."""
        return next((name for name, sources in zip(self.names, self.sources, strict=True) if source in sources), None)

    @staticmethod
    def from_raw(raw: Mapping[str, Any]) -> "DistanceMap":
        """The map that JSON made lists of."""
        groups = {name: tuple(tuple(inner) for inner in raw[name]) for name in ("organs", "sources", "distances")}
        places = tuple((float(x), float(y)) for x, y in raw["places"])
        return DistanceMap(**{**raw, **groups, "names": tuple(raw["names"]), "places": places})


def pairwise_distances(seen: Sequence[Seen]) -> _Array:
    """(n, n) roots of the squared MMD between data sets under one kernel; 0 where the estimate is not above 0.

    One bandwidth for all pairs, so that the distances are those of points in one space. Slices of one patient are no
    pair of a data set's own, as in the measure `mmd`. NaN to a data set of one patient.
    """
    slices = [one.slices("whole") for one in seen]
    patients = [np.array(one.patients)[part.cases] for one, part in zip(seen, slices, strict=True)]
    kernel = gaussian_kernel(torch.from_numpy(np.concatenate([part.values for part in slices]))).numpy()
    ends = np.cumsum([0, *(len(part.values) for part in slices)])
    blocks = [slice(start, end) for start, end in itertools.pairwise(ends)]
    within = [_own_mean(kernel[own, own], who) for own, who in zip(blocks, patients, strict=True)]
    found = np.zeros((len(seen), len(seen)))
    for one in range(len(seen)):
        for other in range(one):
            squared = within[one] + within[other] - 2 * float(kernel[blocks[one], blocks[other]].mean())
            found[one, other] = found[other, one] = math.sqrt(max(squared, 0.0)) if squared == squared else math.nan
    return found


def _own_mean(kernel: _Array, patients: NDArray[np.str_]) -> float:
    pairs = patients[:, None] != patients[None, :]
    return float(kernel[pairs].mean()) if pairs.any() else math.nan


def classical_scaling(distances: _Array) -> tuple[_Array, float]:
    """(n, 2) places whose distances come closest, centred, and the share of the squared distances that they hold.

    The largest coordinate of each axis is positive, so that the same distances give the same picture.

    Source: Torgerson 1952 (classical multidimensional scaling): -J D^2 J / 2 = X X'.
    """
    count = len(distances)
    centre = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-centre @ distances**2 @ centre / 2)
    largest = np.argsort(values)[::-1][:2]
    kept = np.clip(values[largest], 0, None)
    places = np.zeros((count, 2))
    places[:, : len(kept)] = vectors[:, largest] * np.sqrt(kept)
    signs = np.sign(places[np.abs(places).argmax(axis=0), [0, 1]])
    total = float(np.abs(values).sum())
    return places * np.where(signs == 0, 1, signs), float(kept.sum()) / total if total > 0 else 1.0


def make_map(
    network: str, names: Sequence[str], organs: Sequence[Sequence[str]], sources: Sequence[Sequence[str]],
    seen: Sequence[Seen],
) -> DistanceMap | None:  # fmt: skip
    """The map of data sets, the target last; None for fewer than two, or where one has a single patient."""
    distances = pairwise_distances(seen)
    if len(seen) < 2 or not np.isfinite(distances).all():
        return None
    places, held = classical_scaling(distances)
    return DistanceMap(
        network=network,
        names=tuple(names),
        organs=tuple(tuple(one) for one in organs),
        sources=tuple(tuple(one) for one in sources),
        distances=tuple(tuple(float(value) for value in row) for row in distances),
        places=tuple((float(x), float(y)) for x, y in places),
        held=held,
    )


def could_be_on_the_way(found: DistanceMap, start: str) -> tuple[str, ...]:
    """Data sets of one organ alone, which neither start nor target shows: that is what can be trained on the way."""
    taken = {*found.organs[found.names.index(start)], *found.organs[-1]}
    return tuple(
        name
        for name, organs in zip(found.names[:-1], found.organs[:-1], strict=True)
        if len(organs) == 1 and not taken & set(organs)
    )


def on_the_way(found: DistanceMap, start: str) -> str | None:
    """Of these the one nearer to both start and target than they are to each other; the shortest longer hop wins."""
    target = found.names[-1]
    longer = {
        name: max(found.between(start, name), found.between(name, target)) for name in could_be_on_the_way(found, start)
    }
    nearer = {name: hop for name, hop in longer.items() if hop < found.between(start, target)}
    return min(nearer, key=lambda name: (nearer[name], name)) if nearer else None
