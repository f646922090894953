"""H-score: how much of the features' variance lies between the target's labels."""

import math

import numpy as np
from numpy.typing import NDArray

from seg.advise.evidence import Evidence, Numbers, Place
from seg.advise.measures.measure import Judge, MeasureInfo

_Array = NDArray[np.float64]


def h_score(features: _Array, labels: NDArray[np.int64]) -> float:
    """tr(C^-1 (1 - a) cov(E[f | y])), C = (1 - a) cov(f) + a tr(cov(f)) / d: shrunk by as much a as Ledoit & Wolf say.

    From 0, where the mean feature is the same for all labels, to their number less one. Covariances divide by n.
    Without shrinkage, features with little variance, which few samples do not tell, decide the score. NaN for labels
    that are all alike.

    Source: Bao et al. 2019, An information-theoretic approach to transferability, definition 2; the shrinkage:
    Ibrahim et al. 2021, Newer is not always better, regularised H-score.
    """
    classes, labels = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        return math.nan
    centred = features - features.mean(axis=0)
    covariance, shrinkage = shrunk_covariance(centred)
    counts = np.bincount(labels)
    means = np.zeros((len(classes), features.shape[1]))
    np.add.at(means, labels, centred)
    means /= counts[:, None]
    between = (means * (counts / len(labels))[:, None]).T @ means
    return (1 - shrinkage) * float(np.trace(np.linalg.pinv(covariance, hermitian=True) @ between))


def shrunk_covariance(centred: _Array) -> tuple[_Array, float]:
    """Covariance of centred features, drawn towards the same variance in all directions, and how far (0 to 1).

    Source: Ledoit & Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices, lemmas 3.2 to
    3.5: shrinkage = min(b^2, d^2) / d^2, d^2 = |S - m I|^2, b^2 = mean |x x' - S|^2 / n.
    """
    samples, width = centred.shape
    covariance = centred.T @ centred / samples
    mean_variance = float(np.trace(covariance)) / width
    squared_norm = float((covariance**2).sum())
    dispersion = squared_norm - width * mean_variance**2
    noise = (float(((centred**2).sum(axis=1) ** 2).mean()) - squared_norm) / samples
    shrinkage = min(max(noise, 0.0) / dispersion, 1.0) if dispersion > 0 else 0.0
    return (1 - shrinkage) * covariance + shrinkage * mean_variance * np.eye(width), shrinkage


def _judge(evidence: Evidence, place: Place) -> Judge | None:
    pixels = evidence.target.pixels(place)

    def value(cases: Numbers) -> float:
        rows = pixels.rows(cases)
        return h_score(pixels.values[rows], pixels.labels[rows])

    return value


MEASURE = MeasureInfo(
    name="h_score",
    title="H-score",
    question="features tell",
    looks_at="the share of the features' variance that lies between the target's labels, with Ledoit-Wolf shrinkage",
    better="higher",
    alike=0.02,
    needs=("labels",),
    paper="Bao et al. 2019, An information-theoretic approach to transferability; Ibrahim et al. 2021 (shrinkage)",
    judge=_judge,
)
