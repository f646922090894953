"""The page of an advice as one HTML file."""

from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from seg.atomic import write_text
from seg.report.advised.charts import map_svg, quadrant_svg
from seg.report.advised.page import AdvicePage
from seg.report.advised.tables import measure_cells
from seg.report.document import document
from seg.report.section import Section

_TEMPLATES = Path(__file__).parent / "templates"
Builder = Callable[[AdvicePage], Section | None]
"""Makes one section of a page; None where the page has nothing for it."""


def headline(page: AdvicePage) -> Section:
    """The advice, why, and what to type."""
    return Section("advice", "", {"page": page})


def notes(page: AdvicePage) -> Section | None:
    """What the advice does not know, and what was not looked at."""
    if not page.notes and not page.left_out:
        return None
    return Section("doubts", "What this does not know", {"page": page})


def ranking(page: AdvicePage) -> Section:
    """The sources in their order."""
    return Section("ranking", "Sources, the most promising first", {"rows": page.ranking})


def quadrant(page: AdvicePage) -> Section:
    """The four cases with the sources in them."""
    chart = page.quadrant
    unknown = [point.name for point in chart.points if point.distance is None]
    return Section(
        "quadrant", "How much should learn", {"chart": chart, "svg": Markup(quadrant_svg(chart)), "unknown": unknown}
    )


def distances(page: AdvicePage) -> Section:
    """The map of the data sets, and the organ on the way."""
    chart = page.map
    svg = None if chart is None else Markup(map_svg(chart))
    return Section("distances", "How far the data sets lie apart", {"chart": chart, "svg": svg, "page": page})


def measures(page: AdvicePage) -> Section:
    """Every measure of every source."""
    names = [row.name for row in page.ranking]
    content = {"names": names, "rows": measure_cells(page.measures), "definitions": page.definitions}
    return Section("measures", "What was measured", content)


def facts(page: AdvicePage) -> Section | None:
    """Plain facts of the scans."""
    return Section("scans", "How the scans differ", {"facts": page.facts}) if page.facts else None


def gains(page: AdvicePage) -> Section:
    """What proofs found later."""
    return Section("gains", "What was gained later", {"page": page})


def made(page: AdvicePage) -> Section:
    """How the advice was made."""
    versions = sorted(page.versions.items()) if page.versions else []
    return Section("made", "How this was made", {"rows": page.rows, "versions": versions})


SECTIONS: tuple[Builder, ...] = (headline, ranking, notes, quadrant, distances, measures, facts, gains, made)
"""In the order of the page. To add a section, add its builder here and its template beside the others."""


def write_advice_page(path: Path, page: AdvicePage) -> None:
    """Write the page to `path`, completely or not at all. Raises ResourceError where that is impossible."""
    write_text(path, render(page))


def render(page: AdvicePage) -> str:
    """The page as HTML text; the same page gives the same text."""
    sections = (section for build in SECTIONS if (section := build(page)) is not None)
    return document(page.title, sections, kind="Advice before a transfer", templates=[_TEMPLATES])
