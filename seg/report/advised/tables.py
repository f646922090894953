"""An advice as rows: for the page and for the console."""

from collections.abc import Sequence
from dataclasses import dataclass

from seg.report.advised.page import AdvicePage, SourceValues
from seg.report.numbers import MINUS


@dataclass(frozen=True)
class MeasureCell:
    """One value as it is shown."""

    text: str
    """Empty where it could not be taken."""
    interval: str
    best: bool
    """Whether no other source has a better one."""


@dataclass(frozen=True)
class MeasureRow:
    """One measure at one place, with the values of all sources in the order of the ranking."""

    title: str
    place: str
    better: str
    cells: tuple[MeasureCell, ...]


def measure_cells(measures: Sequence[SourceValues]) -> tuple[MeasureRow, ...]:
    """One row per measure and place."""
    return tuple(MeasureRow(one.title, one.place, one.better, tuple(_cells(one))) for one in measures)


def _cells(measured: SourceValues) -> list[MeasureCell]:
    known = [found[0] for found in measured.values if found is not None]
    best = (max if measured.better == "higher" else min)(known) if len(known) > 1 else None
    return [
        MeasureCell("", "", best=False)
        if found is None
        else MeasureCell(number(found[0]), _interval(found[1]), best=found[0] == best)
        for found in measured.values
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
        (row.title, row.place, row.better, *(_with_interval(cell) for cell in row.cells))
        for row in measure_cells(page.measures)
    )
    # Not every console has the typographic minus.
    return (heading, *(tuple(text.replace(MINUS, "-") for text in row) for row in rows))


def _with_interval(cell: MeasureCell) -> str:
    if not cell.text:
        return "-"
    return f"{cell.text} ({cell.interval})" if cell.interval else cell.text
