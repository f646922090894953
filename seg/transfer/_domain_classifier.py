"""Which domain a slice looks like: a balanced logistic regression whose odds are the ratio of the two densities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit

Features = NDArray[np.float64]

_SMALLEST_GRADIENT = 1e-8
_MOST_ITERATIONS = 1000
_SMALLEST_DEVIATION = 1e-6
"""A feature that varies less than this is the same everywhere and says nothing."""


@dataclass(frozen=True)
class Domain:
    """The slices of one side."""

    features: NDArray[np.float32]
    """(slices, features)."""
    patients: Sequence[str]
    """Of each slice."""


@dataclass(frozen=True)
class DomainOdds:
    """How much each source slice looks like the target, told by classifiers that never saw its patient."""

    log_odds: Features
    """(source slices,) log P(target | slice) - log P(source | slice), both domains being equally frequent."""
    accuracy: float
    """Share of held-out slices told right, mean of the two domains: 0.5 where they look alike, 1 where nothing does."""
    target_log_odds: Features
    """(target slices,) the same of the target's."""


def cross_fitted_odds(source: Domain, target: Domain, *, folds: int, l2: float, seed: int) -> DomainOdds:
    """Odds of every source slice from a classifier fitted without that slice's patient.

    With more features than slices a classifier tells its own training slices apart whatever they show, so odds within
    the sample would say nothing. A domain of one patient is parted by slices; of one slice, it is fitted and judged
    alike. `folds` is in how many parts the patients are drawn, `l2` the penalty of `fit`.

    Source: Bickel, Brueckner & Scheffer 2007, Discriminative learning for differing training and test distributions:
    p(x | target) / p(x | source) is the classifier's odds times the ratio of the domains' sizes, here made 1.
    """
    features = _standardised(np.concatenate([source.features, target.features]).astype(np.float64))
    is_target = np.arange(len(features)) >= len(source.features)
    parts = np.concatenate([_parts(domain.patients, folds, seed) for domain in (source, target)])
    log_odds = np.zeros(len(features))
    for part in np.unique(parts):
        judged = parts == part
        fitted = ~judged | (parts == _LONE)
        weight, bias = fit(features[fitted], is_target[fitted], l2)
        log_odds[judged] = features[judged] @ weight + bias
    right = (log_odds > 0) == is_target
    accuracy = float((right[is_target].mean() + right[~is_target].mean()) / 2)
    return DomainOdds(log_odds[~is_target], accuracy, log_odds[is_target])


def fit(features: Features, is_target: NDArray[np.bool_], l2: float) -> tuple[Features, float]:
    """Weights (features,) and bias of the regression z = features @ weights + bias.

    They minimise half the mean of log(1 + exp(-z)) over the target + half the mean of log(1 + exp(z)) over the source
    + l2 / 2 * |weights|^2.
    """
    sign = np.where(is_target, 1.0, -1.0)
    share = np.where(is_target, 0.5 / is_target.sum(), 0.5 / (~is_target).sum())

    def value_and_gradient(parameters: Features) -> tuple[float, Features]:
        weight, margin = parameters[:-1], sign * (features @ parameters[:-1] + parameters[-1])
        slope = -share * sign * expit(-margin)
        value = share @ np.logaddexp(0.0, -margin) + l2 / 2 * weight @ weight
        return float(value), np.append(features.T @ slope + l2 * weight, slope.sum())

    start = np.zeros(features.shape[1] + 1)
    found: Features = fmin_l_bfgs_b(
        value_and_gradient, start, m=20, factr=0.0, pgtol=_SMALLEST_GRADIENT, maxiter=_MOST_ITERATIONS
    )[0]
    return found[:-1], float(found[-1])


def _standardised(features: Features) -> Features:
    deviation = features.std(0)
    varies = deviation > _SMALLEST_DEVIATION
    centred: Features = (features - features.mean(0)) * varies / np.where(varies, deviation, 1.0)
    return centred


_LONE = -1
"""The part of a slice that is all its domain has."""


def _parts(patients: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The part of each slice: a patient's slices stay together, those of a lone patient are parted."""
    several = len(set(patients)) > 1
    units = [patient if several else str(number) for number, patient in enumerate(patients)]
    if len(units) == 1:
        return np.array([_LONE])
    known = sorted(set(units))
    places = np.random.default_rng(seed).permutation(len(known)) % folds
    part = dict(zip(known, places, strict=True))
    return np.array([part[unit] for unit in units], dtype=np.int64)
