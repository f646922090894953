"""The map of the data sets that sources learned from, and the organ on the way from one of them to the target."""

from collections.abc import Sequence
from dataclasses import dataclass

from seg.advise.distance_map import DistanceMap, could_be_on_the_way, make_map, on_the_way
from seg.advise.strategy import Choice
from seg.config import Settings
from seg.recipes.advised_command import transfer_command
from seg.recipes.advised_looks import Looked, Target, see_cases, source_network
from seg.recipes.source_sample import SourceSample


@dataclass(frozen=True)
class WayAdvice:
    """Which organs to go through, and why, or why not."""

    organs: tuple[str, ...]
    why: str
    command: str


def map_of(looked: Sequence[Looked], target: Target) -> DistanceMap | None:
    """Where the data sets lie to one network; `looked` come in the order of their rank.

    Published weights look where there are any: they know none of the data sets. Else the best source's network does.
    """
    sets = _data_sets(looked)
    if not sets:
        return None
    neutral = (one for one in looked if one.candidate.origin.run is None and one.candidate.word != "none")
    eyes = next(neutral, looked[0])
    network = source_network(eyes.settings, target, eyes.candidate.origin)
    scans = [scans for scans, _ in sets]
    seen = [see_cases(network, eyes.settings, one.cases) for one in scans]
    own = ", ".join(target.settings.organ)
    names = [*_distinct(sets), f"{own} (target)"]
    organs = [*(one.plan.organs for one in scans), target.settings.organ]
    return make_map(eyes.candidate.name, names, organs, [*(who for _, who in sets), ()], [*seen, eyes.target])


def _data_sets(looked: Sequence[Looked]) -> list[tuple[SourceSample, tuple[str, ...]]]:
    """Every set of scans once, with the names of the sources that learned from it."""
    found: dict[frozenset[str], tuple[SourceSample, tuple[str, ...]]] = {}
    for one in looked:
        if one.scans is not None:
            key = frozenset(case.folder.name for case in one.scans.cases)
            scans, names = found.get(key, (one.scans, ()))
            found[key] = scans, (*names, one.candidate.name)
    return list(found.values())


def _distinct(sets: Sequence[tuple[SourceSample, tuple[str, ...]]]) -> list[str]:
    """Data sets are called by their organs, and by their sources too where two have the same organs."""
    organs = [", ".join(scans.plan.organs) for scans, _ in sets]
    return [
        organ if organs.count(organ) == 1 else f"{organ} ({', '.join(who)})"
        for organ, (_, who) in zip(organs, sets, strict=True)
    ]


def way_to(
    found: DistanceMap | None, best: Looked, looked: Sequence[Looked], settings: Settings, choice: Choice
) -> WayAdvice:
    """The intermediate organ of a step-by-step transfer from the best source."""
    name = best.candidate.name
    start = None if found is None else found.of_source(name)
    if found is None or start is None:
        why = best.no_scans or "the data sets could not be compared"
        return WayAdvice((), f"Whether an organ lies on the way from {name} cannot be known: {why}.", "")
    middle = on_the_way(found, start)
    target = found.names[-1]
    apart = found.between(start, target)
    if middle is None:
        others = ", ".join(could_be_on_the_way(found, start))
        seen = f"{others}: not nearer to both" if others else "no source of a single other organ has scans to compare"
        return WayAdvice((), f"No organ is advised on the way from {start} to {target}, {apart:.2f} apart: {seen}.", "")
    (organ,) = found.organs[found.names.index(middle)]
    hops = f"{found.between(start, middle):.2f} from {start}, {found.between(middle, target):.2f} from {target}"
    why = (
        f"The {organ} lies on the way: {hops}, which are {apart:.2f} apart. The distances are those of the map; "
        "nothing was trained, and --via keeps a step only where the target's validation patients did not fall by it."
    )
    root = _root_of(middle, found, looked)
    via = {organ: "" if root == settings.data.root else root}
    command = transfer_command(settings, best.candidate.origin, choice, via)
    return WayAdvice((organ,), why, command)


def _root_of(data_set: str, found: DistanceMap, looked: Sequence[Looked]) -> str:
    sources = found.sources[found.names.index(data_set)]
    return next(one.scans.checked.data_set.root for one in looked if one.scans and one.candidate.name in sources)
