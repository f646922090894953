"""Differences between two arms: estimate, interval and p of every measure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seg.proof.bootstrap import SAMPLES, interval
from seg.proof.crossed import Crossed, Floats, crossed
from seg.proof.curves import Measured
from seg.proof.sign_flip import sign_flip_p


@dataclass(frozen=True)
class Difference:
    """What an arm has more than its baseline, in Dice (0 to 1); plain numbers that survive JSON."""

    measure: str
    arm: float | None
    """Mean over cases and seeds; None where the measure is undefined, and then all below."""
    baseline: float | None
    estimate: float | None
    low: float | None
    """Of the 95 % interval over cases and seeds."""
    high: float | None
    p_cases: float | None
    """By sign flips: for new cases, with the models that were trained."""
    p: float | None
    """The larger one of p_cases and that of the t distribution of the crossed design: for new cases and trainings."""
    case_sd: float | None
    """Between cases, in the differences; likewise the next two."""
    seed_sd: float | None
    rest_sd: float | None
    cases: int
    seeds: int
    over_steps: float | None = None
    """For a slope: the steps within which the Dice was gained."""


@dataclass(frozen=True)
class Evidence:
    """The same numbers as arrays, for many differences (..., seeds, cases) at once; NaN where undefined."""

    spread: Crossed
    low: Floats
    high: Floats
    p_cases: Floats
    p: Floats


def evidence(differences: ArrayLike, samples: int = SAMPLES) -> Evidence:
    """Interval and p of paired differences (..., seeds, cases), for which two cases are needed."""
    values = np.asarray(differences, dtype=np.float64)
    spread = crossed(values)
    low, high = interval(values, samples)
    undefined = np.isnan(spread.mean)
    p_cases = np.where(undefined, np.nan, sign_flip_p(np.nan_to_num(values.mean(-2))))
    return Evidence(spread, low, high, p_cases, np.maximum(p_cases, spread.p()))


def differences(measures: Sequence[Measured], samples: int = SAMPLES) -> tuple[Difference, ...]:
    """One record per measure of a pair of arms; a single case has an estimate, but neither interval nor p."""
    if measures[0].arm.shape[-1] < 2:
        return tuple(_single(measured) for measured in measures)
    found = evidence(np.stack([measured.differences for measured in measures]), samples)
    return tuple(_record(measured, found, place) for place, measured in enumerate(measures))


def _record(measured: Measured, found: Evidence, place: int) -> Difference:
    spread = found.spread
    return Difference(
        measure=measured.name,
        arm=_plain(measured.arm.mean()),
        baseline=_plain(measured.baseline.mean()),
        estimate=_plain(spread.mean[place]),
        low=_plain(found.low[place]),
        high=_plain(found.high[place]),
        p_cases=_plain(found.p_cases[place]),
        p=_plain(found.p[place]),
        case_sd=_plain(np.sqrt(spread.case_variance[place])),
        seed_sd=_plain(np.sqrt(spread.seed_variance[place])),
        rest_sd=_plain(np.sqrt(spread.rest_variance[place])),
        cases=spread.cases,
        seeds=spread.seeds,
        over_steps=measured.over_steps,
    )


def _single(measured: Measured) -> Difference:
    arm, baseline = _plain(measured.arm.mean()), _plain(measured.baseline.mean())
    estimate = None if arm is None or baseline is None else arm - baseline
    seeds, cases = measured.arm.shape
    nothing = (None,) * 7
    return Difference(measured.name, arm, baseline, estimate, *nothing, cases, seeds, measured.over_steps)


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def holm(p: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusts p for being several: the smallest counts as often as there are, the next once less, and so on.

    None (undefined) stays None and counts as a test that was meant to be made.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = sorted((value, place) for place, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (value, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * value))
        adjusted[place] = largest
    return tuple(adjusted)
