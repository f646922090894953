"""What an advice says, as plain data that survives JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seg.advise.distance_map import DistanceMap
from seg.advise.evidence import Place
from seg.advise.gains import Agreement, SourceGain
from seg.advise.quadrant import Quadrant


@dataclass(frozen=True)
class Measured:
    """One measure of one source."""

    measure: str
    place: Place
    value: float
    interval: tuple[float, float] | None
    """95 % of it over draws of the target's patients; None where draws leave it undefined, or there is one patient."""


@dataclass(frozen=True)
class AdvisedSource:
    """One source that was looked at."""

    name: str
    """What people call it: a run's name, a file's name, `imagenet` or `none`; no two are alike."""
    word: str
    """What `--from` takes."""
    organs: tuple[str, ...]
    """What its heads predict; empty where it has no heads."""
    encoder: str
    rank: int
    rank_interval: tuple[float, float]
    """95 % of the ranks over draws of the target's patients."""
    beaten: float
    """Share of the other sources that it beats."""
    first: float
    """Share of the draws in which it comes first."""
    measured: tuple[Measured, ...]
    scans: int
    """Patients of its own scans that were looked at."""
    no_scans: str
    """Why there are none; empty where there are."""
    quadrant: Quadrant
    facts: tuple[str, ...]
    """How its scans differ from the target's, in sentences."""
    notes: tuple[str, ...]

    def value(self, measure: str, place: Place) -> Measured | None:
        """One of the measures; None where it could not be taken."""
        return next((one for one in self.measured if (one.measure, one.place) == (measure, place)), None)


@dataclass(frozen=True)
class Advice:
    """What to transfer to a target, how, and how sure that is; the most promising source first."""

    target: tuple[str, ...]
    patients: int
    """Labelled training patients; the measures look at some of their scans."""
    labelled_slices: int
    """Slices of theirs that show an organ."""
    unlabelled: int
    """Unlabelled patients."""
    cases: int
    """Cases of the target that were looked at."""
    draws: int
    small_below: int
    similar_below: float
    sentences: tuple[str, ...]
    """What a person reads first."""
    sources: tuple[AdvisedSource, ...]
    left_out: tuple[tuple[str, str], ...]
    """Sources that were not looked at, and why."""
    strategy: tuple[str, ...]
    words: tuple[str, ...]
    """Settings beside it."""
    why: str
    command: str
    """What to type."""
    told_apart: bool
    """Whether the first source is better than the second beyond the choice of patients."""
    path: tuple[str, ...]
    """Organs on the way of a step-by-step transfer; empty where none is advised."""
    path_why: str
    path_command: str
    map: DistanceMap | None
    doubts: tuple[str, ...]
    """What the advice does not know."""
    gains: tuple[SourceGain, ...] = ()
    """What finished proofs found sources to be worth for this target."""
    agreements: tuple[Agreement, ...] = ()
    """How well the order of this advice agrees with them, for each proof with enough of these sources."""
    schema: int = 1

    @property
    def source(self) -> AdvisedSource:
        """The chosen one."""
        return self.sources[0]


def chosen(advice: Advice) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """What `--from` takes, the names of the strategies and the settings beside them."""
    return advice.source.word, advice.strategy, advice.words


def advice_from_json(text: str) -> Advice:
    """The advice that `records.to_json` wrote."""
    raw: dict[str, Any] = json.loads(text)
    own = {
        "sources": tuple(_source(one) for one in raw["sources"]),
        "left_out": tuple((name, why) for name, why in raw["left_out"]),
        "map": None if raw["map"] is None else DistanceMap.from_raw(raw["map"]),
        "gains": tuple(SourceGain(**_with_tuples(one)) for one in raw["gains"]),
        "agreements": tuple(Agreement(**one) for one in raw["agreements"]),
    }
    return Advice(**{**_with_tuples(raw), **own})


def _source(raw: Mapping[str, Any]) -> AdvisedSource:
    measured = tuple(
        Measured(**{**one, "interval": None if one["interval"] is None else tuple(one["interval"])})
        for one in raw["measured"]
    )
    return AdvisedSource(
        **{**_with_tuples(raw), "measured": measured, "quadrant": Quadrant(**_with_tuples(raw["quadrant"]))}
    )


def _with_tuples(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
