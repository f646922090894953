"""How plots look: small SVG texts whose colours follow the page's light or dark theme."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from seg.report.names import printable

INK, FAINT, LINE = "#010203", "#040506", "#070809"
"""Stand-ins that become the page's CSS colours."""
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
_CSS = {INK: "var(--ink)", FAINT: "var(--faint)", LINE: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)
}
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
PX = 1 / 72
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


@contextmanager
def plot_style(salt: str) -> Iterator[None]:
    """Inside, figures look like the page; plots of one page have a `salt` each."""
    import matplotlib

    # Browsers choose the font, so matplotlib's not having a letter says nothing.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")
        yield


def short(title: str, most: int = 24) -> str:
    """A title that fits into a plot."""
    words = " ".join(printable(title).split())
    # An underscore in front would hide the line from the legend.
    return (words if len(words) <= most else f"{words[: most - 1]}…").lstrip("_") or "?"


def svg_text(figure: Any) -> str:
    """A figure of matplotlib as an element of an HTML page."""
    stream = BytesIO()
    figure.savefig(
        stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    return inline_svg(stream.getvalue().decode("utf-8"))


def inline_svg(text: str) -> str:
    """The SVG file as an element of an HTML page: no prolog, no namespaces, theme colours, the font of the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg aria-hidden="true" focusable="false" \1>', text, count=1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'(style="[^"]*?)font-family: [^;"]*;? ?', r"\1", text)
    for stand_in, colour in _CSS.items():
        text = text.replace(stand_in, colour)
    return text
