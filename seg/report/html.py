"""A page as one HTML file: no network, no outside file, every text escaped."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from seg.atomic import write_text
from seg.report.background import curves, data, origin
from seg.report.headline import headline
from seg.report.names import name_patients, printable
from seg.report.page import Page
from seg.report.restored import restored
from seg.report.results import attention, definitions, distribution, patients, pictures
from seg.report.section import Builder
from seg.report.taught import taught
from seg.report.transferred import transferred

_TEMPLATES = Path(__file__).parent / "templates"
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
    script, style = (_asset(name) for name in ("sort.js", "page.css"))
    slices = page.restoration.pictures if page.restoration else ()
    shown = [*(picture.patient for picture in page.pictures), *(picture.patient for picture in slices)]
    names = name_patients(page.evaluation, page.show_names, shown)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=names.masked(page.title),
            sections=[section for build in SECTIONS if (section := build(page, names)) is not None],
            policy=_policy(script),
            script=script,
            style=style,
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        # Not select_autoescape: it goes by file ending and would miss `.j2`.
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _policy(script: str) -> str:
    """Content security policy: nothing may be loaded, and only this very script may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
