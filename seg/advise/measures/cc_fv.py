"""CC-FV: an organ looks alike in every case, and features as a whole are various."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seg.advise.evidence import Draw, Evidence, Numbers, Place, Seen
from seg.advise.measures.measure import Judge, MeasureInfo

_Array = NDArray[np.float64]

_SMALLEST_DISTANCE = math.sqrt(1e-3)
"""Between two vectors, below which they count as so far apart: air gives equal ones, of infinite energy.

Source: the 1e-3 that the released code adds to squared distances.
"""


def cc_fv(class_distances: Sequence[float], varieties: Sequence[float]) -> float:
    """Mean over decoder layers of log(feature variety / class consistency).

    Source: Yang et al. 2023, Pick the best pre-trained model, eq. 5. The released code adds its own sum to the sum of
    distances instead of dividing it, has no mean over layers and takes the variety of cases' means; the paper is
    followed here.
    """
    return float(np.mean([math.log(f / c) for c, f in zip(class_distances, varieties, strict=True)]))


def wasserstein(first: _Array, second: _Array) -> float:
    """2-Wasserstein distance of the Gaussians with the samples' means and covariances (dividing by n - 1).

    Source: Yang et al. 2023, eq. 1: the square is |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)).
    """
    between = first.mean(axis=0) - second.mean(axis=0)
    covariances = _covariance(first), _covariance(second)
    root = _root(covariances[0])
    # Of a positive semidefinite product, whose eigenvalues those of S1 S2 are.
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariances[1] @ root), 0, None)).sum()
    squared = between @ between + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared
    return math.sqrt(max(float(squared), 0.0))


def variety(vectors: _Array) -> float:
    """The inverse of the vectors' hyperspherical energy, the sum of 1 / |vi - vj| over i != j.

    Source: Yang et al. 2023, eq. 3 and 4 with s = 1.
    """
    norms = (vectors**2).sum(axis=1)
    squared = np.clip(norms[:, None] + norms[None, :] - 2 * vectors @ vectors.T, 0, None)
    energies = 1 / np.maximum(np.sqrt(squared), _SMALLEST_DISTANCE)
    return 1 / float(energies.sum() - np.trace(energies))


def on_sphere(vectors: _Array) -> _Array:
    """The vectors at length 1; those of length 0 stay.

    Both terms are taken on the unit sphere, as in figure 1 of the paper: so a network whose activations are merely
    smaller is not a better one.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _covariance(vectors: _Array) -> _Array:
    centred = vectors - vectors.mean(axis=0)
    covariance: _Array = centred.T @ centred / (len(vectors) - 1)
    return covariance


def _root(covariance: _Array) -> _Array:
    values, directions = np.linalg.eigh(covariance)
    root: _Array = (directions * np.sqrt(np.clip(values, 0, None))) @ directions.T
    return root


def _judge(evidence: Evidence, place: Place) -> Judge | None:
    """Distances of pairs of cases and varieties of cases are made once; resampling takes their means.

    A pair of a case with itself, which resampling brings, counts no more than in the paper.
    """
    seen = evidence.target
    layers = range(len(seen.cases[0].layers))
    distances = [_pair_distances(seen, layer, place) for layer in layers]
    varieties = [np.array([variety(on_sphere(part)) for part in _thinned(seen, layer, Draw.ANY)]) for layer in layers]

    def value(cases: Numbers) -> float:
        others = cases[:, None] != cases[None, :]
        # Per class the mean over the pairs that both show it, N (N - 1) where all do; then their sum over classes.
        pairs = [[part[np.ix_(cases, cases)][others] for part in layer] for layer in distances]
        means = [[part[np.isfinite(part)] for part in layer] for layer in pairs]
        if any(not len(part) for layer in means for part in layer):
            return math.nan
        sums = [float(sum(part.mean() for part in layer)) for layer in means]
        return cc_fv(sums, [float(layer[cases].mean()) for layer in varieties]) if min(sums) > 0 else math.nan

    return value


def _pair_distances(seen: Seen, layer: int, place: Place) -> list[_Array]:
    """Per class (cases, cases) of distances, NaN where a case shows fewer than two pixels of it."""
    if place == "whole":
        classes = [_thinned(seen, layer, Draw.ORGAN, organ) for organ in seen.organs]
    else:
        classes = [_thinned(seen, layer, Draw.BAND)]
    found = []
    for parts in classes:
        spheres = [on_sphere(part) for part in parts]
        distances = np.full((len(parts), len(parts)), np.nan)
        for i, j in combinations([number for number, part in enumerate(parts) if len(part) > 1], 2):
            distances[i, j] = distances[j, i] = wasserstein(spheres[i], spheres[j])
        found.append(distances)
    return found


def _thinned(seen: Seen, layer: int, draw: Draw, organ: int | None = None) -> list[_Array]:
    """Half as many pixels for every layer further from the heads, whose maps have fewer to tell apart.

    Source: Yang et al. 2023, section 2.2 (fewer samples near the bottleneck), 100, 200, 400 in the released settings.
    """
    step = 2 ** (len(seen.cases[0].layers) - 1 - layer)
    return [part[::step] for part in seen.drawn(layer, draw, organ)]


MEASURE = MeasureInfo(
    name="cc_fv",
    title="CC-FV",
    question="features tell",
    looks_at="whether the organ's features are alike in all cases while features as a whole are various, over the "
    "decoder's last three layers",
    better="higher",
    alike=0.02,
    needs=("labels",),
    paper="Yang et al. 2023, Pick the best pre-trained model: towards transferability estimation for medical image "
    "segmentation",
    judge=_judge,
)
