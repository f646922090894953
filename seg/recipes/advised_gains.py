"""What finished proofs found an advice's sources to be worth, and how well the advice orders them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seg.advise.advice import Advice
from seg.advise.gains import Agreement, SourceGain, agreement
from seg.config import Settings
from seg.recipes.proof_gains import RealisedGain, realised_gains
from seg.report.numbers import count_text


def with_gains(advice: Advice, places: Mapping[str, str], settings: Settings) -> Advice:
    """The advice with the gains of proofs below the runs folder; `places` are where its sources were found."""
    realised = tuple(
        gain for organ in advice.target for gain in realised_gains(Path(settings.runs.folder), organ)
    )  # fmt: skip
    names = {_resolved(place): name for name, place in places.items()}
    gains = tuple(_of_sources(realised, names))
    return replace(advice, gains=gains, agreements=tuple(_agreements(advice, gains)))


def _of_sources(realised: tuple[RealisedGain, ...], names: Mapping[str, str]) -> Iterator[SourceGain]:
    """What each source gained by the strategy that most sources were proven with, so that it is not that which differs.

    The mean where several of its arms are such, so that one with many arms is not judged by its luckiest.
    """
    for proof, size in dict.fromkeys((gain.proof, gain.size) for gain in realised):
        own = [gain for gain in realised if (gain.proof, gain.size) == (proof, size)]
        title = f"{proof}, {count_text(size, 'labelled patient')}"
        for place in dict.fromkeys(_resolved(gain.source) for gain in own):
            found = _by_shared_strategy([gain for gain in own if _resolved(gain.source) == place], own)
            if place in names:
                mean = sum(gain.gain for gain in found) / len(found)
                yield SourceGain(names[place], mean, tuple(gain.arm for gain in found), title)


def _by_shared_strategy(found: Sequence[RealisedGain], proven: Sequence[RealisedGain]) -> list[RealisedGain]:
    """Those of one source's gains whose strategy the most sources of the proof have."""
    sources = Counter(strategy for strategy, _ in {(gain.strategy, _resolved(gain.source)) for gain in proven})
    most = max(sources[gain.strategy] for gain in found)
    return [gain for gain in found if sources[gain.strategy] == most]


def _agreements(advice: Advice, gains: tuple[SourceGain, ...]) -> Iterator[Agreement]:
    said = {one.name: one.beaten for one in advice.sources}
    for proof in dict.fromkeys(gain.proof for gain in gains):
        own = [gain for gain in gains if gain.proof == proof]
        found = agreement(proof, [said[gain.source] for gain in own], [gain.gain for gain in own])
        if found is not None:
            yield found


def _resolved(place: str) -> str:
    """The same text for the same file or folder, whatever links lead there; words stay."""
    return str(Path(place).resolve()) if Path(place).is_absolute() else place
