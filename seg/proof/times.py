"""How many steps an arm takes to what its baseline reaches in the end."""

import math
from dataclasses import dataclass

import numpy as np

from seg.proof.crossed import Floats
from seg.proof.curves import asymptote
from seg.proof.pairs import Pair

SHARES = (0.9, 0.95)
"""Shares of the baseline's end that are asked for."""


@dataclass(frozen=True)
class TimeTo:
    """Steps to a Dice, seed by seed; None where a training ended before it (right-censored)."""

    share: float
    """Of the baseline's asymptote."""
    dice: float
    """The Dice that is."""
    arm: tuple[float | None, ...]
    baseline: tuple[float | None, ...]
    arm_median: float | None
    """Over seeds, a training that ended before counting as longer than all others; None where that is the median."""
    baseline_median: float | None
    last_step: float
    """Where the evaluations end: None means more than this."""

    @property
    def ratio(self) -> float | None:
        """How many times as long the baseline takes; where it never arrives, at least so many times."""
        if not self.arm_median:
            return None
        return (self.last_step if self.baseline_median is None else self.baseline_median) / self.arm_median


def times(pair: Pair) -> tuple[TimeTo, ...]:
    """One record per share of SHARES, from mean curves over cases whose evaluations are joined by straight lines.

    Source: Taylor and Stone, Transfer Learning for Reinforcement Learning Domains, J. Mach. Learn. Res. 10 (2009),
    section 2.1, time to threshold.
    """
    end = float(asymptote(pair.baseline).mean())
    return tuple(_time_to(pair, share, share * end) for share in SHARES)


def _time_to(pair: Pair, share: float, dice: float) -> TimeTo:
    arm, baseline = (
        [first_reached(curve, pair.steps, dice) for curve in values.mean(-1)] for values in (pair.arm, pair.baseline)
    )
    return TimeTo(
        share=share,
        dice=dice,
        arm=tuple(map(_censored, arm)),
        baseline=tuple(map(_censored, baseline)),
        arm_median=_censored(_median(arm)),
        baseline_median=_censored(_median(baseline)),
        last_step=float(pair.steps[-1]),
    )


def first_reached(curve: Floats, places: Floats, goal: float) -> float:
    """Where a curve first comes up to `goal`, its points joined by straight lines; infinite where it never does."""
    above = curve >= goal
    if not above.any():
        return math.inf
    after = int(np.argmax(above))
    if after == 0:
        return float(places[0])
    share = (goal - curve[after - 1]) / (curve[after] - curve[after - 1])
    return float(places[after - 1] + share * (places[after] - places[after - 1]))


def _median(values: list[float]) -> float:
    """The middle value, and of two middle values the later one: a mean with infinity says nothing."""
    return sorted(values)[len(values) // 2]


def _censored(value: float) -> float | None:
    return value if math.isfinite(value) else None
