"""What a learning curve is measured by: where it starts, how fast it rises, where it ends, the area below it.

Every measure is a weighted sum of a case's Dice over the evaluations, with the same weights for all cases, seeds and
arms. So every case has a value of its own, means of cases and measures of mean curves are the same, and pairing, sign
flips and variance components apply to all measures alike.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from seg.proof.crossed import Floats
from seg.proof.pairs import Pair

LAST = 0.1
"""Share of the evaluations, the last ones, whose mean is the end of a curve. Source: Torrey and Shavlik, Transfer
Learning (2009), final performance; a mean because a single evaluation jitters, never the best one because that is
chosen on the test."""
LEAST_RISE = 0.01
"""Dice by which the mean of both arms must rise for a slope to mean something: one Dice point."""


@dataclass(frozen=True)
class Measured:
    """One measure of two arms: Dice (seeds, cases)."""

    name: str
    arm: Floats
    baseline: Floats
    over_steps: float | None = None
    """For a slope: the steps within which the Dice was gained."""

    @property
    def differences(self) -> Floats:
        """Arm minus baseline."""
        return self.arm - self.baseline


def start(dice: Floats) -> Floats:
    """The first evaluation of (..., evaluations, cases)."""
    return dice[..., 0, :]


def asymptote(dice: Floats) -> Floats:
    """The mean of the last tenth of the evaluations, at least of the last one."""
    last = math.ceil(LAST * dice.shape[-2] - 1e-9)
    return np.asarray(dice[..., -last:, :].mean(-2))


def area(dice: Floats, steps: Floats) -> Floats:
    """Mean Dice over the steps of the training: the area below the curve by its length; two evaluations are needed."""
    return np.asarray(trapezoid(dice, steps, axis=-2) / (steps[-1] - steps[0]))


def half_way(pair: Pair) -> float | None:
    """Step at which the mean of both arms has first gone half of the way from start to end; None where it hardly rises.

    Evaluations are joined by straight lines. Both arms count alike, so that it does not matter which one is which.
    """
    both = np.stack([pair.arm, pair.baseline]).mean((0, 1))
    mean = both.mean(-1)
    first, last = mean[0], float(asymptote(both).mean())
    if last - first < LEAST_RISE:
        return None
    goal = (first + last) / 2
    after = int(np.argmax(mean >= goal))
    share = (goal - mean[after - 1]) / (mean[after] - mean[after - 1])
    return float(pair.steps[after - 1] + share * (pair.steps[after] - pair.steps[after - 1]))


def at(dice: Floats, steps: Floats, step: float) -> Floats:
    """Dice at a step between evaluations, on the straight line between its neighbours."""
    after = int(np.clip(np.searchsorted(steps, step), 1, len(steps) - 1))
    share = (step - steps[after - 1]) / (steps[after] - steps[after - 1])
    return np.asarray((1 - share) * dice[..., after - 1, :] + share * dice[..., after, :])


def gain(pair: Pair, half: float) -> tuple[Floats, Floats]:
    """Dice that both arms gain until half of the way, as if they had started at the same height.

    An arm that starts higher has less left to gain: on D(t) = a - b exp(-t/tau) half of a head start is gone when half
    of the way is gone, whatever its size, without the arm learning more slowly. So half of the distance from the common
    start is added to the gain of each arm; where both start at the same height, nothing is. Divided by the steps this
    is the slope.

    Not the initial slope b/tau of a fitted curve: that exists for mean curves only, so that nothing can be paired by
    case; it extrapolates to where there is no evaluation; and curves that stay near 0 until the organ is found, or that
    still rise at the end, have no such fit.
    """
    dice = np.stack([pair.arm, pair.baseline])
    first, then = start(dice), at(dice, pair.steps, half)
    common = first.mean((0, 1))
    found = then - first + (first - common) / 2
    return found[0], found[1]


def measure(pair: Pair) -> tuple[Measured, ...]:
    """Start, slope and asymptote, on which a verdict rests; of a single evaluation only that, called final.

    The slope of a curve that hardly rises is NaN.
    """
    if len(pair.steps) == 1:
        return (Measured("final", start(pair.arm), start(pair.baseline)),)
    half = half_way(pair)
    nothing = np.full_like(pair.arm[..., 0, :], np.nan)
    gained = (nothing, nothing) if half is None else gain(pair, half)
    over = None if half is None else half - float(pair.steps[0])
    return (
        Measured("start", start(pair.arm), start(pair.baseline)),
        Measured("slope", *gained, over_steps=over),
        Measured("asymptote", asymptote(pair.arm), asymptote(pair.baseline)),
    )


def below(pair: Pair) -> Measured:
    """The area below the curves of both arms; it goes with start and asymptote, so that no verdict rests on it."""
    return Measured("area", area(pair.arm, pair.steps), area(pair.baseline, pair.steps))
