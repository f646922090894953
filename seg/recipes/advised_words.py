"""An advice in sentences: what is advised first, what it does not know last."""

from collections.abc import Iterator

from seg.advise.advice import Advice
from seg.advise.rank import Ranking
from seg.report.numbers import count_text

_FEW_PATIENTS = 5
"""Below so many, a bootstrap over patients is known to be too narrow; the habit of this project's proofs."""


def sentences_of(advice: Advice, ranking: Ranking) -> tuple[str, ...]:
    """The advice, and how sure it is which source comes first."""
    target, best = ", ".join(advice.target), advice.source
    strategy = ", ".join(advice.strategy)
    settings = f" and {' '.join(advice.words)}" if advice.words else ""
    if best.word == "none":
        return (f"For the {target}, start from nothing: no source that was looked at promises more.", _order(ranking))
    organs = f", which knows the {', '.join(best.organs)}" if best.organs else ""
    return (f"For the {target}, start from {best.name}{organs}, with {strategy}{settings}.", _order(ranking))


def _order(ranking: Ranking) -> str:
    if ranking.patients < 2 and len(ranking.standings) > 1:
        return "The order of the sources rests on one labelled patient and may be another for the next."
    return ranking.sentence()


def doubts_of(advice: Advice) -> tuple[str, ...]:
    """What the advice does not know, the gravest first."""
    return tuple(_doubts(advice))


def _doubts(advice: Advice) -> Iterator[str]:
    best = advice.source
    if not advice.told_apart and len(advice.sources) > 1:
        alike = [one.name for one in advice.sources[1:] if one.rank_interval[0] <= best.rank_interval[1]]
        yield (
            f"{best.name} cannot be told from {', '.join(alike or [advice.sources[1].name])} by these patients; "
            "seg prove finds out by training."
        )
    if advice.patients < _FEW_PATIENTS:
        patients = count_text(advice.patients, "labelled patient")
        yield f"{patients} tell little of others: intervals over so few patients are too narrow."
    for one in advice.sources:
        yield from (f"{one.name}: {note}" for note in one.notes)
    unseen = [one for one in advice.sources if not one.scans and one.word != "none"]
    if unseen:
        told = "; ".join(f"{one.name} ({one.no_scans})" for one in unseen)
        yield f"Whether its scans look like the target's is not known of {told}."
    if not best.quadrant.sure and best.quadrant.similar is not None:
        yield "The quadrant may be another one with other patients: the interval of the distance crosses its threshold."
    encoders = {one.encoder for one in advice.sources}
    if len(encoders) > 1:
        yield (
            f"The networks differ ({', '.join(sorted(encoders))}): measures then compare more than what was learned."
        )
    if best.word != "none":
        yield "Measures foresee no training: they look at a network as it is before the first step."
