"""The section of the differences: per arm, measure and size a point, an interval and a word, beside each baseline."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seg.proof.verdict import Judged, Verdict
from seg.report.names import Names
from seg.report.proved.arms import baselines_of, looks
from seg.report.proved.page import ProofPage
from seg.report.proved.words import MEASURES, points_text, range_text, sign_of, size_text
from seg.report.section import Section

_MOST_TICKS = 5
_NARROWEST = 0.02
"""Dice on either side of 0 that the axis shows at least."""
_EDGE = 4
"""Percent of the width."""
_STEPS = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Axis:
    """Differences of Dice along the width of a row, in percent of it."""

    low: float
    high: float

    def place(self, dice: float) -> float:
        """0 at the left end, 100 at the right one; what lies beyond is put there."""
        share = (dice - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and their numbers in Dice points; 0 is among them."""
        width = 100 * (self.high - self.low)
        step = next((step for step in _STEPS if width / step <= _MOST_TICKS), _STEPS[-1])
        numbers = range(math.ceil(100 * self.low / step - 1e-9), math.floor(100 * self.high / step + 1e-9) + 1)
        ticks = [(self.place(number * step / 100), points_text(number * step / 100, 0)) for number in numbers]
        # Numbers at the very edge would be cut.
        return [(place, text) for place, text in ticks if text == "0" or _EDGE <= place <= 100 - _EDGE]


def forest(page: ProofPage, names: Names) -> Section | None:
    """Nothing where nothing was judged."""
    if not page.verdicts:
        return None
    axis = axis_of(row for verdict in page.verdicts for row in verdict.measures)
    margins = sorted({verdict.margin for verdict in page.verdicts})
    arms = looks(page, names)
    tables = [
        {
            "baseline": arms[baseline].shown,
            "groups": _groups(
                [verdict for verdict in page.verdicts if verdict.baseline == baseline], page, names, axis
            ),
        }
        for baseline in baselines_of(page)
    ]
    content = {
        "tables": tables,
        "ticks": axis.ticks,
        "zero": axis.place(0),
        "margins": sorted({axis.place(side * margin) for margin in margins for side in (-1, 1)}),
        "margin": " or ".join(points_text(margin).lstrip("+") for margin in margins),
    }
    return Section("forest", "What differs, and how surely", content)


def axis_of(rows: Iterable[Judged]) -> Axis:
    """From the lowest bound to the highest one, always with 0 and some room on both sides; never beyond 100 points."""
    bounds = [value for row in rows for value in (row.low, row.high, row.estimate) if value is not None]
    low, high = min([-_NARROWEST, *bounds]), max([_NARROWEST, *bounds])
    room = 0.05 * (high - low)
    return Axis(max(-1.0, low - room), min(1.0, high + room))


def _groups(verdicts: Sequence[Verdict], page: ProofPage, names: Names, axis: Axis) -> list[dict[str, object]]:
    """A group per size and measure, in which the arms stand below each other."""
    arms = looks(page, names)
    groups: list[dict[str, object]] = []
    for size in sorted({verdict.size for verdict in verdicts}):
        own = [verdict for verdict in verdicts if verdict.size == size]
        for measure, title in MEASURES.items():
            found = [
                _row(row, arms[verdict.arm].shown, axis, page)
                for verdict in own
                for row in verdict.measures
                if row.measure == measure
            ]
            if found:
                groups.append({"title": title, "size": size_text(size), "rows": found})
    return groups


def _row(row: Judged, arm: str, axis: Axis, page: ProofPage) -> dict[str, object]:
    drawn = None if row.estimate is None else axis.place(row.estimate)
    span = None if row.low is None or row.high is None else (axis.place(row.low), axis.place(row.high))
    return {
        "arm": arm,
        "point": drawn,
        "span": span,
        "difference": points_text(row.estimate),
        "range": range_text(row.low, row.high),
        "sign": sign_of(row.verdict, page),
    }
