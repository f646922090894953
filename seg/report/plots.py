"""Plots of results and of trainings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg.records import CurveRow, Interval
from seg.report.drawing import DASHES, FAINT, INK, PX, SERIES, plot_style, short, svg_text

_MOST_POINTS = 300
_SHORT_TITLE = 14


@dataclass(frozen=True)
class Strip:
    """One row of the distribution plot."""

    title: str
    values: tuple[float, ...]
    """One per patient."""
    interval: Interval | None = None


def distribution_svg(strips: Sequence[Strip], label: str) -> str:
    """Per row a box (quartiles, whiskers to 1.5 ranges), every patient as a point, and the mean with its interval.

    The axis ends at 1 and begins below the lowest value, so that differences can be seen.
    """
    from matplotlib.figure import Figure

    with plot_style("distribution"):
        figure = Figure(figsize=(470 * PX, (64 + 70 * len(strips)) * PX), layout="constrained")
        axes = figure.add_subplot()
        for row, strip in enumerate(strips):
            _strip(axes, strip, -row, SERIES[row % len(SERIES)])
        lowest = min((value for strip in strips for value in strip.values), default=0.0)
        axes.set_xlim(max(0.0, min(0.8, math.floor(lowest * 10 - 0.2) / 10)), 1.0)
        axes.set_ylim(-len(strips) + 0.45, 0.55)
        axes.set_yticks([-row for row in range(len(strips))], [short(strip.title) for strip in strips])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)
        return svg_text(figure)


def _strip(axes: Any, strip: Strip, row: float, colour: str) -> None:
    if strip.values:
        _box(axes, np.asarray(strip.values), row + 0.22)
    # The golden ratio spreads neighbours evenly: overlapping patients stay visible, the same picture every time.
    heights = [row - 0.12 + 0.2 * ((0.618034 * number) % 1 - 0.5) for number in range(len(strip.values))]
    axes.plot(
        sorted(strip.values), heights, "o", color=colour, markersize=5, markeredgewidth=0, alpha=0.75, clip_on=False
    )
    _mean(axes, strip.interval, row - 0.34)


def _box(axes: Any, values: NDArray[np.float64], height: float) -> None:
    low, median, high = np.percentile(values, (25, 50, 75))
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    axes.hlines([height, height], [inside.min(), high], [low, inside.max()], color=FAINT, linewidth=1.2)
    axes.barh([height], [high - low], 0.2, low, facecolor="none", edgecolor=FAINT, linewidth=1.2)
    axes.vlines([median], height - 0.1, height + 0.1, color=INK, linewidth=2)


def _mean(axes: Any, interval: Interval | None, height: float) -> None:
    if interval is None or interval.mean is None:
        return
    if interval.low is not None and interval.high is not None:
        axes.plot([interval.low, interval.high], [height, height], "-", color=INK, linewidth=2)
    axes.plot([interval.mean], [height], "D", color=INK, markersize=6, markeredgewidth=0)


def curve_svg(
    rows: Sequence[CurveRow], titles: dict[str, str], label: str, best_step: int | None, bounded: bool = False
) -> str:
    """One line per key of `titles` over the optimiser steps; `best_step` is marked by an upright line.

    Long runs are averaged down to a few hundred points; `bounded` ends the axis at 1.
    """
    from matplotlib.figure import Figure

    with plot_style(label):
        figure = Figure(figsize=(470 * PX, 300 * PX), layout="constrained")
        axes = figure.add_subplot()
        for number, (key, title) in enumerate(titles.items()):
            steps, values = curve_points(rows, key)
            style: dict[str, Any] = {"color": SERIES[number % len(SERIES)], "linestyle": DASHES[number % len(DASHES)]}
            marker = "o" if len(steps) <= 30 else None
            axes.plot(steps, values, label=short(title), linewidth=1.8, marker=marker, markersize=3.5, **style)
        if best_step is not None:
            axes.axvline(best_step, color=INK, linewidth=1, linestyle=(0, (2, 2)), label=f"kept: step {best_step}")
        axes.set_xlim(left=0)
        if bounded:
            axes.set_ylim(top=1.0)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(label)
        columns = 3 if max(map(len, titles.values()), default=0) <= _SHORT_TITLE else 2
        figure.legend(loc="outside upper left", ncols=columns, handlelength=2.4, columnspacing=1.2)
        return svg_text(figure)


def curve_points(rows: Sequence[CurveRow], key: str) -> tuple[list[float], list[float]]:
    """Steps and finite values of that key, neighbours averaged where there are more than a few hundred."""
    pairs = [(row.step, row.values[key]) for row in rows if math.isfinite(row.values.get(key, math.nan))]
    group = max(1, math.ceil(len(pairs) / _MOST_POINTS))
    chunks = [pairs[start : start + group] for start in range(0, len(pairs), group)]
    steps = [sum(step for step, _ in chunk) / len(chunk) for chunk in chunks]
    return steps, [sum(value for _, value in chunk) / len(chunk) for chunk in chunks]
