"""Sections as one HTML file: no network, no outside file, every text escaped."""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from seg.report.names import printable
from seg.report.section import Section

_TEMPLATES = Path(__file__).parent / "templates"


def document(title: str, sections: Iterable[Section], *, kind: str, templates: Iterable[Path] = ()) -> str:
    """The page as HTML text; templates of sections are looked for in `templates` first, then beside the frame's own."""
    script, style = (_asset(name) for name in ("sort.js", "page.css"))
    frame = _environment([*templates, _TEMPLATES]).get_template("page.html.j2")
    return frame.render(
        title=title, sections=list(sections), kind=kind, policy=_policy(script), script=script, style=style
    )


def _environment(folders: list[Path]) -> Environment:
    return Environment(
        loader=FileSystemLoader(folders),
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
