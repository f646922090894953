"""LogME: the evidence that a linear model of the features has for the target's labels."""

import math

import numpy as np
from numpy.typing import NDArray

from seg.advise.evidence import Evidence, Numbers, Place
from seg.advise.measures.measure import Judge, MeasureInfo

_Array = NDArray[np.float64]

_NO_VARIANCE = 1e-12
"""Share of the largest eigenvalue below which one counts as none: features come in float32, of 1e-7 precision."""
_CLOSE_ENOUGH = 1e-10
"""Relative change of alpha / beta at which the iteration ends; the evidence is flat there."""
_MOST_ITERATIONS = 1000
_SMALLEST_RESIDUAL = 1e-6
"""Mean squared residual taken for none: labels that are fitted exactly have infinite evidence for any features."""


def log_me(features: _Array, labels: NDArray[np.int64]) -> float:
    """Log of the maximal evidence per sample, mean over the labels, each against the rest (0 or 1).

    y = features w + noise, w ~ N(0, 1 / alpha), noise ~ N(0, 1 / beta); log p(y) is maximised over alpha and beta. It
    does not change when features are permuted, turned or scaled. NaN for labels that are all alike.

    Source: You et al. 2021, LogME, eq. 2; fixed point: You et al. 2022, Ranking and tuning pre-trained models,
    algorithm 3. Its released code leaves (D - k) / 2 log alpha out where only k of D columns are independent.
    """
    classes = np.unique(labels)
    if len(classes) < 2:
        return math.nan
    eigenvalues, directions = np.linalg.eigh(features.T @ features)
    kept = eigenvalues > _NO_VARIANCE * max(float(eigenvalues[-1]), 1e-300)
    variances = eigenvalues[kept]
    evidences = []
    for label in classes:
        wanted = (labels == label).astype(np.float64)
        projections = directions[:, kept].T @ (features.T @ wanted) / np.sqrt(variances)
        evidences.append(_maximal_evidence(variances, projections**2, float(wanted.sum()), len(labels)))
    return float(np.mean(evidences)) / len(labels)


def _maximal_evidence(variances: _Array, explained: _Array, total: float, samples: int) -> float:
    """Log evidence at its fixed point; `explained` are squared labels along each direction, `total` all there are.

    With t = alpha / beta: gamma = sum s / (s + t), alpha = gamma / |m|^2, beta = (n - gamma) / |y - F m|^2.
    """
    unexplained = max(total - float(explained.sum()), _SMALLEST_RESIDUAL * samples)
    ratio = 1.0
    for _ in range(_MOST_ITERATIONS):
        shrunk = variances / (variances + ratio)
        gamma, squared_weights = float(shrunk.sum()), float((explained * shrunk / (variances + ratio)).sum())
        residual = unexplained + float((explained * (1 - shrunk) ** 2).sum())
        if squared_weights * (samples - gamma) <= 0:
            break
        before, ratio = ratio, gamma / squared_weights * residual / (samples - gamma)
        if abs(ratio - before) <= _CLOSE_ENOUGH * before:
            break
    return _evidence(variances, explained, unexplained, samples, ratio)


def _evidence(variances: _Array, explained: _Array, unexplained: float, samples: int, ratio: float) -> float:
    """Log evidence at alpha = ratio beta and the best beta, n / (|y - F m|^2 + ratio |m|^2).

    D / 2 log alpha - log det(A) / 2 is - sum log(1 + s / ratio) / 2 - D / 2 log beta: columns beyond the rank cancel.
    """
    energy = unexplained + float((explained * ratio / (variances + ratio)).sum())
    volume = float(np.log1p(variances / ratio).sum()) / 2
    return -volume - samples / 2 * (math.log(energy / samples) + 1 + math.log(2 * math.pi))


def _judge(evidence: Evidence, place: Place) -> Judge | None:
    pixels = evidence.target.pixels(place)

    def value(cases: Numbers) -> float:
        rows = pixels.rows(cases)
        return log_me(pixels.values[rows], pixels.labels[rows])

    return value


MEASURE = MeasureInfo(
    name="log_me",
    title="LogME",
    question="features tell",
    looks_at="the evidence a linear model of the features has for the target's labels, per pixel",
    better="higher",
    alike=0.02,
    needs=("labels",),
    paper="You et al. 2021, LogME: practical assessment of pre-trained models for transfer learning",
    judge=_judge,
)
