"""How well what an advice said agrees with what proofs found later."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

_MOST_PERMUTED = 8
"""Up to so many sources all orders are gone through, 40,320 of them; beyond, Student's t is close enough."""
_FEWEST = 3
"""Two sources agree or disagree whatever they are."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class SourceGain:
    """What a source was worth in a finished proof."""

    source: str
    """Its name in the advice."""
    gain: float
    """Dice, 0 to 1, at the end of the training beside the proof's best arm without transfer, mean over `arms`."""
    arms: tuple[str, ...]
    """Of the proof, that started from it."""
    proof: str
    """Name of the proof and number of labelled patients."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlation between an advice and the gains of one proof."""

    proof: str
    correlation: float
    """Spearman's, -1 to 1."""
    sources: int
    p: float
    """Share of all orders of the sources that agree at least as much."""
    exact: bool

    def sentence(self) -> str:
        """The number and what it rests on."""
        how = "all orders" if self.exact else "Student's t"
        return (
            f"Over the {self.sources} sources of {self.proof} what this advice says and what was gained correlate with "
            f"{self.correlation:.2f} (Spearman; p = {self.p:.3g}, one-sided, {how})."
        )


def agreement(proof: str, said: Sequence[float], gained: Sequence[float]) -> Agreement | None:
    """How well what was said of sources (higher is better) orders what they gained; None where that says nothing.

    Fewer than three sources, or values that are all alike, say nothing.

    Source: Spearman 1904, with mean ranks for ties; t = r sqrt((n - 2) / (1 - r^2)) beyond eight sources.
    """
    if len(said) < _FEWEST or len(set(said)) < 2 or len(set(gained)) < 2:
        return None
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (said, gained))
    found = _correlation(first, second)
    if len(said) <= _MOST_PERMUTED:
        orders = np.array(list(itertools.permutations(second)))
        reached = orders @ first / math.sqrt(float(first @ first) * float(second @ second))
        return Agreement(proof, found, len(said), float((reached >= found - _ROUNDING).mean()), exact=True)
    free = len(said) - 2
    statistic = math.copysign(math.inf, found) if abs(found) == 1 else found * math.sqrt(free / (1 - found**2))
    return Agreement(proof, found, len(said), float(t.sf(statistic, free)), exact=False)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    found = float(first @ second) / math.sqrt(float(first @ first) * float(second @ second))
    return min(1.0, max(-1.0, found))
