"""The order of several sources for one target over all measures, and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.advise.evidence import PLACES, Evidence, Numbers, Place
from seg.registry import MEASURES

Vote = tuple[str, Place]
"""A measure and where it was taken."""
Values = Mapping[Vote, NDArray[np.float64]]
"""Of one source, per vote the value over all patients and then over each draw of patients; NaN where undefined."""

_SURE = 0.95
"""Share of the draws in which the first must beat the second to be called better: the habit of intervals."""


@dataclass(frozen=True)
class Standing:
    """Where one source stands among the others."""

    source: str
    score: float
    """Mean share of the comparisons with the other sources that it wins, 0 to 1; half each where nothing compares."""
    rank: int
    """From 1; the sources' names decide between equal scores."""
    rank_interval: tuple[float, float]
    """95 % of the ranks over draws of the target's patients."""
    first: float
    """Share of the draws in which it comes first."""
    votes: tuple[Vote, ...]
    """What could be measured of it."""


@dataclass(frozen=True)
class Ranking:
    """Sources, the most promising first."""

    standings: tuple[Standing, ...]
    first_beats_second: float | None
    """Share of the draws in which it does; None with one source."""
    patients: int
    draws: int

    @property
    def told_apart(self) -> bool:
        """Whether the first is better than the second beyond the choice of patients."""
        return self.first_beats_second is None or self.first_beats_second >= _SURE

    def sentence(self) -> str:
        """What a person must know of the first place."""
        best = self.standings[0]
        if self.first_beats_second is None:
            return f"{best.source} is the only source."
        second = self.standings[1].source
        share = f"in {self.first_beats_second:.0%} of {self.draws} draws of the {self.patients} target patients"
        if self.told_apart:
            return f"{best.source} promises most: it stands before {second} {share}."
        return f"{best.source} and {second} cannot be told apart: the first stands before the second only {share}."


def patient_draws(patients: Sequence[str], count: int, seed: int) -> tuple[Numbers, ...]:
    """All cases, then `count` times those of as many patients drawn with replacement, as numbers of cases."""
    named = np.array(patients)
    known = np.unique(named)
    cases = [np.flatnonzero(named == patient) for patient in known]
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(known), (count, len(known)))
    return (np.arange(len(named)), *(np.concatenate([cases[number] for number in row]) for row in drawn))


def votes_of(evidence: Evidence, draws: Sequence[Numbers]) -> dict[Vote, NDArray[np.float64]]:
    """Every measure of one source that its evidence allows, over each of the draws of target cases."""
    found = {}
    for name in MEASURES.names():
        for place in PLACES:
            judge = MEASURES.load(name).MEASURE.judge(evidence, place)
            values = np.array([np.nan if judge is None else judge(cases) for cases in draws])
            if np.isfinite(values[0]):
                found[name, place] = values
    return found


def rank_sources(measured: Mapping[str, Values], patients: int) -> Ranking:
    """The order of sources that were measured over the same draws of so many patients.

    A score is a Borda count that bears missing measures: every pair of sources is compared by what both have, and a
    source's score is the mean of its pairs. Measures of one question share a vote, as do the places of a measure, or
    two that say the same would count twice. Draws are of the target's patients; that a measure may be wrong for all of
    them is not in the interval.

    Source: Efron 1979 (bootstrap); de Borda 1781, with pairwise shares as in Young 1974.
    """
    names = sorted(measured)
    scores = _scores([measured[name] for name in names])
    ranks = _ranks(scores)
    order = np.argsort(ranks[:, 0])
    resampled = slice(1, None) if scores.shape[1] > 1 else slice(None)
    low, high = np.percentile(ranks[:, resampled], [2.5, 97.5], axis=1)
    standings = tuple(
        Standing(
            source=names[number], score=float(scores[number, 0]), rank=int(ranks[number, 0]),
            rank_interval=(float(low[number]), float(high[number])),
            first=float((ranks[number, resampled] == 1).mean()), votes=tuple(measured[names[number]]),
        )
        for number in order
    )  # fmt: skip
    ahead = None
    if len(names) > 1:
        best, second = scores[order[0], resampled], scores[order[1], resampled]
        ahead = float((best > second).mean())
    return Ranking(standings, ahead, patients, scores.shape[1] - 1)


def _scores(measured: Sequence[Values]) -> NDArray[np.float64]:
    """(sources, draws)."""
    draws = next((len(values) for source in measured for values in source.values()), 1)
    won = np.full((len(measured), len(measured), draws), 0.5)
    for first, one in enumerate(measured):
        for second, other in enumerate(measured):
            if first != second:
                won[first, second] = _share_won(one, other, draws)
    total: NDArray[np.float64] = won.sum(axis=1) - 0.5
    return total / max(1, len(measured) - 1)


def _share_won(one: Values, other: Values, draws: int) -> NDArray[np.float64]:
    """(draws,) mean over questions of the mean over measures of the mean over places; half where nothing is there."""
    won: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for name, place in one:
        if (name, place) in other:
            info = MEASURES.load(name).MEASURE
            # NaN, where a draw left a value undefined, counts as half, as values that are alike do.
            ahead = np.nan_to_num(one[name, place] - other[name, place]) * (1 if info.better == "higher" else -1)
            ahead = np.sign(np.where(np.abs(ahead) > info.alike, ahead, 0.0))
            won.setdefault(info.question, {}).setdefault(name, []).append((ahead + 1) / 2)
    if not won:
        return np.full(draws, 0.5)
    measures = [[np.mean(places, axis=0) for places in question.values()] for question in won.values()]
    share: NDArray[np.float64] = np.mean([np.mean(question, axis=0) for question in measures], axis=0)
    return share


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """(sources, draws) from 1, the highest score first."""
    order = np.argsort(-scores, axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, len(scores) + 1)[:, None], axis=0)
    return ranks
