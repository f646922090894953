"""The page of a proof as one HTML file."""

from collections.abc import Callable
from pathlib import Path

from seg.atomic import write_text
from seg.report.document import document
from seg.report.names import Names, name_patients
from seg.report.proved.background import attention, data, origin
from seg.report.proved.curves import curves
from seg.report.proved.forest import forest
from seg.report.proved.headline import headline
from seg.report.proved.labels import labels
from seg.report.proved.page import ProofPage
from seg.report.proved.paired import paired
from seg.report.proved.pictures import pictures
from seg.report.proved.table import table
from seg.report.proved.times import times
from seg.report.section import Section

_TEMPLATES = Path(__file__).parent / "templates"
Builder = Callable[[ProofPage, Names], Section | None]
"""Makes one section of the page; None where the page has nothing for it."""
SECTIONS: tuple[Builder, ...] = (
    headline,
    attention,
    forest,
    curves,
    labels,
    paired,
    pictures,
    times,
    table,
    data,
    origin,
)
"""In the order of the page. To add a section, add its builder here and its template beside the others."""


def write_proof(path: Path, page: ProofPage) -> None:
    """Write the page to `path`, completely or not at all. Raises ResourceError where that is impossible."""
    write_text(path, render(page))


def render(page: ProofPage) -> str:
    """The page as HTML text; the same page gives the same text."""
    patients = (*page.scores.cases, *(picture.patient for picture in page.pictures))
    names = name_patients(None, page.show_names, patients)
    sections = (section for build in SECTIONS if (section := build(page, names)) is not None)
    return document(names.masked(page.title), sections, kind=names.masked(page.kind), templates=[_TEMPLATES])
