"""The two drawings of an advice: the quadrant with the sources in it, and the map of the data sets."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seg.report.advised.page import MapChart, QuadrantChart
from seg.report.drawing import FAINT, INK, LINE, PX, SERIES, plot_style, short, svg_text

_FARTHEST = 2.0
"""The largest proxy A-distance."""
_ROOM = 0.35
"""Empty border of the map, as a share of its width."""


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
        _cases(axes, chart, low, high)
        for number, (point, distance) in enumerate(known):
            height = chart.slices * _spread(number, len(known), chart, low, high)
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
    """All sources share the target's number of slices; a factor that keeps their names apart and in their half."""
    step = math.exp(0.055 * math.log(high / low))
    factors = [math.pow(step, place - (count - 1) / 2) for place in range(count)]
    small = chart.slices < chart.small_below
    bottom, top = (low * 1.15, chart.small_below / 1.3) if small else (chart.small_below * 1.3, high / 1.15)
    shift = min(1.0, top / (chart.slices * factors[-1])) if count else 1.0
    shift = max(shift, bottom / (chart.slices * factors[0])) if count else 1.0
    return factors[count - 1 - number] * shift


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
        figure = Figure(figsize=(520 * PX, 400 * PX), layout="constrained")
        axes = figure.add_subplot()
        target = next(point for point in chart.points if point.target)
        for number, point in enumerate(chart.points):
            colour = INK if point.target else SERIES[number % len(SERIES)]
            if not point.target:
                axes.plot([point.x, target.x], [point.y, target.y], "-", color=LINE, linewidth=1.2, zorder=1)
            axes.plot([point.x], [point.y], "D" if point.target else "o", color=colour, markersize=8, markeredgewidth=0)
        _name_points(axes, chart)
        _frame(axes, [point.x for point in chart.points], [point.y for point in chart.points])
        return svg_text(figure)


def _name_points(axes: Any, chart: MapChart) -> None:
    """Above its point, or below where another point lies above."""
    span = max(_extent([point.x for point in chart.points]), _extent([point.y for point in chart.points]), 1e-9)
    for point in chart.points:
        near = [other for other in chart.points if other is not point and abs(other.x - point.x) < 0.4 * span]
        above = any(0 <= other.y - point.y < 0.15 * span and other.name > point.name for other in near) or any(
            0 < other.y - point.y < 0.15 * span for other in near
        )
        axes.annotate(
            short(point.name, 40), (point.x, point.y), (0, -11 if above else 9), textcoords="offset points",
            ha="center", va="top" if above else "bottom", fontsize=10,
        )  # fmt: skip


def _frame(axes: Any, xs: Sequence[float], ys: Sequence[float]) -> None:
    """One scale for both axes, which have no meaning of their own, and a bar that says it."""
    span = max(_extent(xs), _extent(ys), 1e-3)
    half = span * (0.5 + _ROOM)
    x, y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    axes.set_xlim(x - half * 1.3, x + half * 1.3)
    axes.set_ylim(y - half, y + half)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    length = 10 ** math.floor(math.log10(span))
    left, low = x - half * 1.25, y - half * 0.96
    axes.plot([left, left + length], [low, low], "-", color=FAINT, linewidth=2)
    axes.annotate(f"{length:g}", (left + length / 2, low), (0, 4), textcoords="offset points", ha="center",
                  va="bottom", fontsize=9, color=FAINT)  # fmt: skip


def _extent(values: Sequence[float]) -> float:
    return float(np.ptp(np.asarray(values)))
