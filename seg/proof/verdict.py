"""Helped, hurt or no evidence: when these words may be said of an arm."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from seg.proof.bootstrap import SAMPLES
from seg.proof.curves import below, measure
from seg.proof.differences import Difference, differences, holm
from seg.proof.pairs import Pair, paired
from seg.proof.power import Needed, Spread, detectable, needed
from seg.proof.scores import ScoreTable
from seg.proof.times import TimeTo, times

Word = Literal["helped", "hurt", "no evidence"]
MARGIN = 0.01
"""Dice below which a difference does not count, however certain: one Dice point."""
LEVEL = 0.05
_END = ("asymptote", "final")


@dataclass(frozen=True, kw_only=True)
class Judged(Difference):
    """One row of the table: a difference and what may be said of it."""

    p_holm: float | None
    """Adjusted for the measures that are judged together."""
    verdict: Word
    detectable: float | None
    """The smallest true difference that such an experiment finds in 90 % of its repetitions, Dice."""


@dataclass(frozen=True)
class Verdict:
    """What an experiment says of one arm beside its baseline."""

    arm: str
    baseline: str
    size: int
    """Labelled patients of both."""
    verdict: Word
    measures: tuple[Judged, ...]
    needed: Needed | None
    """Where there is no evidence: how large the experiment must be for the difference at the end that was seen, or for
    the margin where that is larger."""
    margin: float
    undefined: int
    """Cases left out because Dice has no value there."""
    unpaired: tuple[int, ...]
    """Seeds left out because only one arm has them."""
    area: Difference | None
    """Of the areas below the curves, not judged; None where there is a single evaluation."""
    times: tuple[TimeTo, ...]
    """To shares of the baseline's end, not judged."""

    @property
    def negative_transfer(self) -> bool:
        """Whether the arm hurt, at the end or in any measure."""
        return self.verdict == "hurt" or any(row.verdict == "hurt" for row in self.measures)


def verdict(table: ScoreTable, arm: str, baseline: str, size: int, margin: float = MARGIN) -> Verdict:
    """What the saved scores say of one arm at one size."""
    return verdict_on(paired(table, arm, baseline, size), arm, baseline, size, margin)


def verdict_on(
    pair: Pair, arm: str, baseline: str, size: int, margin: float = MARGIN, samples: int = SAMPLES
) -> Verdict:
    """What a pair of arms says; in experiments without any difference it says `helped` in at most 5 of 100."""
    rows = judged(differences(measure(pair), samples), margin)
    end = _end(rows)
    against = spoken_against(end.estimate, end.low, end.high, margin)
    said = overall({row.measure: row.verdict for row in rows}, against)
    curves = len(pair.steps) > 1
    return Verdict(
        arm=arm,
        baseline=baseline,
        size=size,
        verdict=said,
        measures=rows,
        needed=_needed(rows, margin) if said == "no evidence" else None,
        margin=margin,
        undefined=pair.undefined,
        unpaired=pair.unpaired,
        area=differences([below(pair)], samples)[0] if curves else None,
        times=times(pair) if curves else (),
    )


def judged(found: Sequence[Difference], margin: float = MARGIN) -> tuple[Judged, ...]:
    """The same differences with a word for each, their p adjusted for being judged together."""
    adjusted = holm([difference.p for difference in found])
    return tuple(
        Judged(
            **asdict(difference), p_holm=p, detectable=_detectable(difference, len(found)),
            verdict=word(difference.estimate, difference.low, difference.high, p, margin),
        )
        for difference, p in zip(found, adjusted, strict=True)
    )  # fmt: skip


def word(
    estimate: float | None, low: float | None, high: float | None, p_holm: float | None, margin: float = MARGIN
) -> Word:
    """All three must agree: the interval excludes 0, the adjusted p is below LEVEL, the estimate reaches the margin."""
    if estimate is None or low is None or high is None or p_holm is None or p_holm >= LEVEL:
        return "no evidence"
    if low > 0 and estimate >= margin:
        return "helped"
    return "hurt" if high < 0 and estimate <= -margin else "no evidence"


def overall(words: Mapping[str, Word], end_contradicts: Word = "no evidence") -> Word:
    """One word for all measures.

    Where the end differs, it decides: that is the model that will be used. Else start and slope decide where they do
    not contradict each other, nor what the end points to (`end_contradicts`), sure or not. The word is never said
    without a measure it was said of.
    """
    for name in _END:
        if words.get(name, "no evidence") != "no evidence":
            return words[name]
    said = set(words.values()) - {"no evidence"}
    word = said.pop() if len(said) == 1 else "no evidence"
    return "no evidence" if word == end_contradicts else word


def spoken_against(end: float | None, low: float | None, high: float | None, margin: float = MARGIN) -> Word:
    """The word that a difference at the end points away from: beyond the margin, its interval on the other side of 0.

    Adjusted for several measures it may be chance still, so that it is no word of its own.
    """
    if end is None or low is None or high is None or abs(end) < margin or low <= 0 <= high:
        return "no evidence"
    return "helped" if end < 0 else "hurt"


def _end(rows: Sequence[Judged]) -> Judged:
    return next(row for row in rows if row.measure in _END)


def _detectable(difference: Difference, together: int) -> float | None:
    spread = Spread.of(difference)
    return None if spread is None else detectable(spread, difference.cases, difference.seeds, LEVEL / together)


def _needed(rows: Sequence[Judged], margin: float) -> Needed | None:
    end = _end(rows)
    spread = Spread.of(end)
    if spread is None or end.estimate is None:
        return None
    return needed(max(abs(end.estimate), margin), spread, end.seeds, LEVEL / len(rows))
