"""What an experiment of some size can show, from the variances that were observed in one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from seg.proof.crossed import Floats, degrees_of_freedom
from seg.proof.differences import Difference
from seg.proof.sign_flip import smallest_p

POWER = 0.9
"""How often a true difference is to be found."""
MOST_CASES = 1_000
MORE_SEEDS = (5, 10, 20, 30)
"""Numbers of seeds that are considered where no number of cases is enough for the present one."""
_CASES = np.unique(np.geomspace(2, MOST_CASES, 130).round())
_CERTAIN = 300.0
"""Standard errors beyond which a difference is found without a doubt; scipy's numbers end there."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of paired differences."""

    case: float
    seed: float
    rest: float

    @classmethod
    def of(cls, difference: Difference) -> "Spread | None":
        """As observed; None where there were too few cases to observe any."""
        found = (difference.case_sd, difference.seed_sd, difference.rest_sd)
        case, seed, rest = found
        return None if case is None or seed is None or rest is None else cls(case, seed, rest)


@dataclass(frozen=True)
class Needed:
    """An experiment that finds a true difference of this size in POWER of all repetitions."""

    difference: float
    """Dice."""
    cases: int | None
    """None where MOST_CASES are not enough with so many seeds, the most that were considered."""
    seeds: int


def power(effect: float, spread: Spread, cases: ArrayLike, seeds: int, level: float) -> Floats:
    """Share of experiments in which a true difference is found at a two-sided level, for every number of cases.

    The t test of the crossed design with its standard error and degrees of freedom at the expected mean squares. With
    so few cases that not even unanimous ones get a sign-flip p below the level, nothing is found.
    """
    asked = np.atleast_1d(np.asarray(cases, dtype=np.float64))
    several = np.maximum(asked, 2)
    rest = np.full_like(several, spread.rest**2)
    of_cases, of_seeds = seeds * spread.case**2 + rest, several * spread.seed**2 + rest
    error = np.sqrt((of_cases + of_seeds - rest) / (several * seeds))
    degrees = several - 1 if seeds == 1 else degrees_of_freedom(of_cases, of_seeds, rest, seeds, several)
    found = stats.nct.sf(stats.t.isf(level / 2, degrees), degrees, effect / np.maximum(error, effect / _CERTAIN))
    enough = np.array([smallest_p(int(number)) < level for number in asked])
    return np.where(enough, found, 0.0)


def detectable(spread: Spread, cases: int, seeds: int, level: float) -> float | None:
    """The smallest true difference that is found in POWER of all experiments, to 0.01 points; None where none is."""
    effects = np.arange(1, 10_001) / 10_000
    too_small, enough = 0, len(effects)
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if power(effects[middle - 1], spread, cases, seeds, level)[0] >= POWER:
            enough = middle
        else:
            too_small = middle
    return float(effects[enough - 1]) if power(effects[enough - 1], spread, cases, seeds, level)[0] >= POWER else None


def needed(effect: float, spread: Spread, seeds: int, level: float) -> Needed:
    """The fewest cases that are enough, with the present number of seeds where that is possible, else with more.

    Cases are tried in steps of a twentieth: the variances are not known better.
    """
    # With one seed nothing is known of how seeds vary, so more of them cannot be planned.
    considered = [seeds, *(more for more in MORE_SEEDS if more > seeds > 1)]
    for several in considered:
        enough = power(effect, spread, _CASES, several, level) >= POWER
        if enough.any():
            return Needed(effect, int(_CASES[np.argmax(enough)]), several)
    return Needed(effect, None, considered[-1])
