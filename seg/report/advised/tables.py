"""An advice as rows: for the page and for the console."""

from collections.abc import Sequence
from dataclasses import dataclass

from seg.report.advised.page import AdvicePage, MeasureColumn
from seg.report.numbers import MINUS


@dataclass(frozen=True)
class MeasureCell:
    """One value as it is shown."""

    text: str
    """Empty where it could not be taken."""
    interval: str
    sort: str
    best: bool
    """Whether no other source has a better one."""


@dataclass(frozen=True)
class MeasureRow:
    """The values of one source."""

    name: str
    cells: tuple[MeasureCell, ...]


def measure_cells(names: Sequence[str], columns: Sequence[MeasureColumn]) -> tuple[MeasureRow, ...]:
    """One row per source."""
    cells = [_cells(column) for column in columns]
    return tuple(MeasureRow(name, tuple(column[number] for column in cells)) for number, name in enumerate(names))


def _cells(column: MeasureColumn) -> list[MeasureCell]:
    known = [found[0] for found in column.values if found is not None]
    best = (max if column.better == "higher" else min)(known, default=None)
    return [
        MeasureCell("", "", "", best=False)
        if found is None
        else MeasureCell(number(found[0]), _interval(found[1]), f"{found[0]:.9g}", best=found[0] == best)
        for found in column.values
    ]


def number(value: float) -> str:
    """Three digits that mean something, with a minus sign as wide as a digit."""
    digits = 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}".replace("-", MINUS)


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def ranking_rows(page: AdvicePage) -> tuple[tuple[str, ...], ...]:
    """Heading and one row per source, for the console."""
    heading = ("rank", "source", "knows", "95 % of ranks", "beats", "first in", "own scans", "quadrant")
    rows = (
        (str(row.rank), row.name, row.organs or "-", row.ranks, f"{row.beaten:.0%}", f"{row.first:.0%}", row.scans,
         row.quadrant)
        for row in page.ranking
    )  # fmt: skip
    return (heading, *rows)


def measure_rows(page: AdvicePage) -> tuple[tuple[str, ...], ...]:
    """Heading and one row per measure and place, one column per source, for the console."""
    names = [row.name for row in page.ranking]
    heading = ("measure", "taken on", "better", *names)
    rows = (
        (column.title, column.place, column.better, *(_with_interval(cell) for cell in _cells(column)))
        for column in page.measures
    )
    # Not every console has the typographic minus.
    return (heading, *(tuple(text.replace(MINUS, "-") for text in row) for row in rows))


def _with_interval(cell: MeasureCell) -> str:
    if not cell.text:
        return "-"
    return f"{cell.text} ({cell.interval})" if cell.interval else cell.text
