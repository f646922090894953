"""Write an advice: as JSON for the program, as a page for a person."""

from dataclasses import dataclass
from pathlib import Path

from seg.advise.advice import Advice, AdvisedSource
from seg.advise.distance_map import DISTANCE
from seg.advise.evidence import PLACES, Place
from seg.advise.quadrant import TEXTBOOK
from seg.atomic import write_text
from seg.config import Settings
from seg.records import to_json
from seg.registry import MEASURES
from seg.report.advised.html import write_advice_page
from seg.report.advised.page import (
    AdvicePage,
    MapChart,
    MapPoint,
    QuadrantChart,
    QuadrantPoint,
    RankRow,
    SourceValues,
)
from seg.report.numbers import count_text
from seg.runs import versions

FOLDER = "advice"
"""Below `runs.folder`."""
_PLACES: dict[Place, str] = {"whole": "whole slices", "boundary": "the boundary"}


@dataclass(frozen=True)
class Advised:
    """An advice and where it was written."""

    advice: Advice
    page: Path


def write_advice(advice: Advice, settings: Settings) -> Path:
    """Keep the advice below the runs folder under the target's name; returns the page, the JSON lies beside it."""
    folder = Path(settings.runs.folder) / FOLDER
    name = "-".join(advice.target)
    write_text(folder / f"{name}.json", to_json(advice))
    page = folder / f"{name}.html"
    write_advice_page(page, advice_page(advice))
    return page


def advice_page(advice: Advice) -> AdvicePage:
    """The page of an advice."""
    target = ", ".join(advice.target)
    return AdvicePage(
        title=f"What to transfer to the {target}",
        sentences=advice.sentences,
        why=advice.why,
        command=advice.command,
        path_why=advice.path_why,
        path_command=advice.path_command,
        ranking=tuple(_rank_row(one) for one in advice.sources),
        measures=_measures(advice),
        definitions=tuple(_definition(name) for name in MEASURES.names()),
        quadrant=_quadrant(advice),
        map=_map(advice),
        facts=tuple((one.name, one.facts) for one in advice.sources if one.facts),
        gains=tuple((one.proof, one.source, one.gain, ", ".join(one.arms)) for one in advice.gains),
        agreements=tuple(one.sentence() for one in advice.agreements),
        notes=advice.doubts,
        left_out=advice.left_out,
        rows=_rows(advice),
        versions=versions(),
    )


def _rank_row(one: AdvisedSource) -> RankRow:
    low, high = (f"{rank:.0f}" for rank in one.rank_interval)
    size = "small" if one.quadrant.small else "large"
    likeness = {True: "similar", False: "different", None: "not known"}[one.quadrant.similar]
    return RankRow(
        rank=one.rank,
        name=one.name,
        organs=", ".join(one.organs),
        ranks=low if low == high else f"{low} to {high}",
        beaten=one.beaten,
        first=one.first,
        scans=count_text(one.scans, "patient") if one.scans else one.no_scans,
        quadrant=f"{size}, {likeness}",
    )


def _measures(advice: Advice) -> tuple[SourceValues, ...]:
    measures = []
    for name in MEASURES.names():
        info = MEASURES.load(name).MEASURE
        for place in PLACES:
            found = [one.value(name, place) for one in advice.sources]
            if any(found):
                values = tuple(None if one is None else (one.value, one.interval) for one in found)
                measures.append(SourceValues(info.title, _PLACES[place], info.better, values))
    return tuple(measures)


def _definition(name: str) -> tuple[str, str]:
    info = MEASURES.load(name).MEASURE
    return info.title, f"{info.looks_at[0].upper()}{info.looks_at[1:]}. {info.paper}."


def _quadrant(advice: Advice) -> QuadrantChart:
    found = [(one.name, one.value("a_distance", "whole")) for one in advice.sources if one.word != "none"]
    return QuadrantChart(
        slices=advice.labelled_slices,
        small_below=advice.small_below,
        similar_below=advice.similar_below,
        strategies={case: " ".join((*strategy, *words)) for case, (strategy, words, _) in TEXTBOOK.items()},
        points=tuple(
            QuadrantPoint(name, None if one is None else one.value, None if one is None else one.interval)
            for name, one in found
        ),
    )


def _map(advice: Advice) -> MapChart | None:
    found = advice.map
    if found is None:
        return None
    last = len(found.names) - 1
    points = (
        MapPoint(name, *place, target=number == last)
        for number, (name, place) in enumerate(zip(found.names, found.places, strict=True))
    )
    beside = tuple(one.name for one in advice.sources if found.of_source(one.name) is None and one.word != "none")
    return MapChart(found.network, DISTANCE, found.held, tuple(points), found.distances, beside)


def _rows(advice: Advice) -> tuple[tuple[str, str], ...]:
    return (
        ("Labelled patients", f"{advice.patients}, with {advice.labelled_slices:,} slices that show an organ"),
        ("Unlabelled patients", str(advice.unlabelled)),
        ("Cases of the target looked at", f"{advice.cases}; nobody who validates or tests"),
        ("Draws of patients", str(advice.draws)),
    )
