"""What every section of a page is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seg.report.names import Names
from seg.report.page import Page


@dataclass(frozen=True)
class Section:
    """One part of the page: a template, its heading and its content."""

    template: str
    """File name without `.html.j2`; also the anchor."""
    heading: str
    """Empty for the part that opens the page."""
    content: dict[str, Any] = field(default_factory=dict)


Builder = Callable[[Page, Names], Section | None]
"""Makes one section of a page; None where the page has nothing for it."""
