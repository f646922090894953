"""The report of a run or of an evaluation as one HTML file."""

from pathlib import Path

from seg.atomic import write_text
from seg.report.background import curves, data, origin
from seg.report.document import document
from seg.report.headline import headline
from seg.report.names import name_patients
from seg.report.page import Page
from seg.report.restored import restored
from seg.report.results import attention, definitions, distribution, patients, pictures
from seg.report.section import Builder
from seg.report.taught import taught
from seg.report.transferred import transferred

SECTIONS: tuple[Builder, ...] = (
    headline,
    attention,
    restored,
    patients,
    distribution,
    pictures,
    definitions,
    transferred,
    taught,
    curves,
    data,
    origin,
)
"""In the order of the page. To add a section, add its builder here and its template beside the others."""


def write_report(path: Path, page: Page) -> None:
    """Write the page to `path`, completely or not at all. Raises ResourceError where that is impossible."""
    write_text(path, render(page))


def render(page: Page) -> str:
    """The page as HTML text; the same page gives the same text."""
    slices = page.restoration.pictures if page.restoration else ()
    shown = [*(picture.patient for picture in page.pictures), *(picture.patient for picture in slices)]
    names = name_patients(page.evaluation, page.show_names, shown)
    sections = (section for build in SECTIONS if (section := build(page, names)) is not None)
    return document(names.masked(page.title), sections, kind="Segmentation report")
