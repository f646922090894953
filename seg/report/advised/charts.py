"""The two drawings of an advice: the quadrant with the sources in it, and the map of the data sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seg.report.advised.page import MapChart, MapPoint, QuadrantChart
from seg.report.drawing import FAINT, INK, LINE, PX, SERIES, plot_style, short, svg_text

_FARTHEST = 2.0
"""The largest proxy A-distance."""
_MAP_PX = 560
_ROOM_BESIDE, _ROOM_ABOVE = 0.4, 0.2
"""Empty borders of the map for names, as shares of the largest distance along an axis."""
_SMALLEST_SPAN = 1e-3


def quadrant_svg(chart: QuadrantChart) -> str:
    """Distance from the source to the right, labelled slices upwards; a point per source, with its interval."""
    from matplotlib.figure import Figure

    known = [(point, point.distance) for point in chart.points if point.distance is not None]
    with plot_style("quadrant"):
        figure = Figure(figsize=(620 * PX, (330 + 14 * len(known)) * PX), layout="constrained")
        axes = figure.add_subplot()
        low, high = _slices_shown(chart)
        axes.set_yscale("log")
        axes.set_xlim(-0.04, _FARTHEST + 0.04)
        axes.set_ylim(low, high)
        decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        axes.set_yticks([10.0**power for power in decades], [f"{10**power:,}" for power in decades])
        axes.minorticks_off()
        _cases(axes, chart, low, high)
        for number, (point, distance) in enumerate(known):
            height = _spread(number, len(known), chart, low, high)
            colour = SERIES[number % len(SERIES)]
            if point.interval is not None:
                axes.plot(point.interval, [height, height], "-", color=colour, linewidth=2, alpha=0.6)
            axes.plot([distance], [height], "o", color=colour, markersize=7, markeredgewidth=0)
            left = distance > _FARTHEST / 2
            axes.annotate(
                short(point.name), (distance, height), (-9 if left else 9, 0), textcoords="offset points",
                ha="right" if left else "left", va="center", fontsize=10,
            )  # fmt: skip
        axes.axvline(chart.similar_below, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.axhline(chart.small_below, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.grid(visible=False)
        axes.set_xlabel("proxy A-distance of source and target (0 alike, 2 told apart)")
        axes.set_ylabel("labelled slices of the target")
        return svg_text(figure)


def _slices_shown(chart: QuadrantChart) -> tuple[float, float]:
    """Two decades around the threshold, more where the target lies beyond."""
    ends = chart.small_below / 30, chart.small_below * 30
    return min(ends[0], max(chart.slices, 1) / 4), max(ends[1], chart.slices * 4)


def _spread(number: int, count: int, chart: QuadrantChart, low: float, high: float) -> float:
    """All sources share the target's number of slices, but are drawn so that their names are apart, in its half."""
    small = chart.slices < chart.small_below
    bottom, top = (low * 1.3, chart.small_below / 1.3) if small else (chart.small_below * 1.3, high / 1.3)
    usual, most = math.exp(0.055 * math.log(high / low)), math.pow(top / bottom, 1 / max(1, count - 1))
    step = min(usual, most)
    reach = math.pow(step, (count - 1) / 2)
    middle = min(max(max(chart.slices, 1), bottom * reach), top / reach)
    return middle * math.pow(step, (count - 1) / 2 - number)


def _cases(axes: Any, chart: QuadrantChart, low: float, high: float) -> None:
    """The names of the four cases and their strategies in the corners; the target's half is tinted."""
    small = chart.slices < chart.small_below
    bottom, top = (low, chart.small_below) if small else (chart.small_below, high)
    axes.axhspan(bottom, top, color=LINE, alpha=0.35, linewidth=0)
    for (is_small, similar), strategy in chart.strategies.items():
        title = f"{'small' if is_small else 'large'}, {'similar' if similar else 'different'}"
        x = 0.02 if similar else _FARTHEST - 0.02
        place = {"ha": "left" if similar else "right", "va": "bottom" if is_small else "top"}
        y = low * 1.12 if is_small else high / 1.12
        axes.text(x, y, f"{title}: {strategy}", fontsize=10, color=FAINT, **place)


def map_svg(chart: MapChart) -> str:
    """A point per data set; the target is a diamond with a line to every other one."""
    from matplotlib.figure import Figure

    with plot_style("map"):
        window = _window(chart.points)
        figure = Figure(figsize=(_MAP_PX * PX, _MAP_PX * window.height / window.width * PX), layout="constrained")
        axes = figure.add_subplot()
        target = next(point for point in chart.points if point.target)
        for number, point in enumerate(chart.points):
            colour = INK if point.target else SERIES[number % len(SERIES)]
            if not point.target:
                axes.plot([point.x, target.x], [point.y, target.y], "-", color=LINE, linewidth=1.2, zorder=1)
            axes.plot([point.x], [point.y], "D" if point.target else "o", color=colour, markersize=8, markeredgewidth=0)
            above = _named_above(point, chart.points, 0.1 * window.width)
            axes.annotate(
                short(point.name, 40), (point.x, point.y), (0, 9 if above else -10), textcoords="offset points",
                ha="center", va="bottom" if above else "top", fontsize=10,
            )  # fmt: skip
        _frame(axes, window)
        return svg_text(figure)


@dataclass(frozen=True)
class _Window:
    left: float
    low: float
    width: float
    height: float


def _window(points: Sequence[MapPoint]) -> _Window:
    """All points with room for their names; one scale for both axes."""
    xs, ys = [point.x for point in points], [point.y for point in points]
    span = max(max(xs) - min(xs), max(ys) - min(ys), _SMALLEST_SPAN)
    width = max(xs) - min(xs) + 2 * _ROOM_BESIDE * span
    height = max(ys) - min(ys) + 2 * _ROOM_ABOVE * span
    return _Window((max(xs) + min(xs) - width) / 2, (max(ys) + min(ys) - height) / 2, width, height)


def _named_above(point: MapPoint, points: Sequence[MapPoint], near: float) -> bool:
    """The upper of two neighbours has its name above; a lone point has it on the side away from the others."""
    others = [other for other in points if other is not point]
    close = [other for other in others if abs(other.x - point.x) < 2 * near and abs(other.y - point.y) < near]
    beside = close or others
    return point.y >= sum(other.y for other in beside) / max(1, len(beside))


def _frame(axes: Any, window: _Window) -> None:
    """No axes, since they mean nothing, but a bar that says the scale."""
    axes.set_xlim(window.left, window.left + window.width)
    axes.set_ylim(window.low, window.low + window.height)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    length = 10 ** math.floor(math.log10(window.width / 2))
    left, low = window.left + 0.02 * window.width, window.low + 0.03 * window.height
    axes.plot([left, left + length], [low, low], "-", color=FAINT, linewidth=2)
    axes.annotate(f"{length:g}", (left + length / 2, low), (0, 4), textcoords="offset points", ha="center",
                  va="bottom", fontsize=9, color=FAINT)  # fmt: skip
