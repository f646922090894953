"""The order of several sources for one target over all measures, and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.advise.evidence import PLACES, Evidence, Numbers, Place
from seg.advise.measures.measure import Judge
from seg.registry import MEASURES

Vote = tuple[str, Place]
"""A measure and where it was taken."""
Values = Mapping[Vote, NDArray[np.float64]]
"""Of one source, per vote the value over all patients and then over each draw of patients; NaN where undefined."""

_SURE = 0.95
"""Share of the draws in which the first must beat the second to be called better: the habit of intervals."""
_BETWEEN_EQUALS = 1e-3
"""Weight of the share of votes beside the sources beaten: less than half a comparison among a hundred sources."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Standing:
    """Where one source stands among the others."""

    source: str
    rank: int
    """From 1; the sources' names decide between equals."""
    beaten: float
    """Share of the other sources that it beats, a draw counting half."""
    share: float
    """Mean share of the votes it gets against each of the others; half where nothing can be compared."""
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
            values = np.full(len(draws), np.nan) if judge is None else _over(draws, judge)
            if np.isfinite(values[0]):
                found[name, place] = values
    return found


def _over(draws: Sequence[Numbers], judge: Judge) -> NDArray[np.float64]:
    """The value of every draw; of few patients the same ones are drawn again and again, and judged once."""
    known: dict[tuple[int, ...], float] = {}
    for cases in draws:
        key = tuple(sorted(cases.tolist()))
        if key not in known:
            known[key] = judge(cases)
    return np.array([known[tuple(sorted(cases.tolist()))] for cases in draws])


def rank_sources(measured: Mapping[str, Values], patients: int) -> Ranking:
    """The order of sources that were measured over the same draws of so many patients.

    Two sources are compared by what could be measured of both, so one whose scans or heads are missing is neither
    favoured nor punished. Measures of one question share a vote, as do the places of a measure, or two that say the
    same would count twice. Who beats more of the others stands higher; the mean share of the votes decides between
    equals. Draws are of the target's patients; that a measure may be wrong for all of them is not in the interval.

    Source: Copeland 1951 (majority of pairwise comparisons); Borda's count for ties; Efron 1979 (bootstrap).
    """
    names = sorted(measured)
    beaten, share = _scores([measured[name] for name in names])
    ranks = _ranks(beaten, share)
    order = np.argsort(ranks[:, 0])
    resampled = slice(1, None) if ranks.shape[1] > 1 else slice(None)
    low, high = np.percentile(ranks[:, resampled], [2.5, 97.5], axis=1)
    standings = tuple(
        Standing(
            source=names[number], rank=int(ranks[number, 0]), beaten=float(beaten[number, 0]),
            share=float(share[number, 0]), rank_interval=(float(low[number]), float(high[number])),
            first=float((ranks[number, resampled] == 1).mean()), votes=tuple(measured[names[number]]),
        )
        for number in order
    )  # fmt: skip
    ahead = None
    if len(names) > 1:
        best, second = ((beaten + _BETWEEN_EQUALS * share)[number, resampled] for number in order[:2])
        ahead = float((best > second + _ROUNDING).mean())
    return Ranking(standings, ahead, patients, ranks.shape[1] - 1)


def _scores(measured: Sequence[Values]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sources, draws) of the share of the others that each beats, and of the mean share of the votes it gets."""
    draws = next((len(values) for source in measured for values in source.values()), 1)
    won = np.full((len(measured), len(measured), draws), np.nan)
    for first, one in enumerate(measured):
        for second, other in enumerate(measured):
            if first != second:
                won[first, second] = _share_won(one, other, draws)
    if len(measured) < 2:
        return np.ones((len(measured), draws)), np.ones((len(measured), draws))
    balance = np.where(np.abs(won - 0.5) > _ROUNDING, np.sign(won - 0.5), 0.0)
    beaten: NDArray[np.float64] = np.nanmean(np.where(np.isnan(won), np.nan, (balance + 1) / 2), axis=1)
    share: NDArray[np.float64] = np.nanmean(won, axis=1)
    return beaten, share


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


def _ranks(beaten: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.int64]:
    """(sources, draws) from 1, the best first; the order of the sources decides between equals."""
    order = np.argsort(-(beaten + _BETWEEN_EQUALS * share).round(9), axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, len(order) + 1)[:, None], axis=0)
    return ranks
