"""The section of the learning curves: every arm's mean on the test patients with a band, one plot per size."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from seg.report.drawing import PX, plot_style, svg_text
from seg.report.names import Names
from seg.report.proved.arms import ArmLook, looks
from seg.report.proved.averages import Average, average_curve
from seg.report.proved.page import ProofPage
from seg.report.proved.words import dice_text, size_text
from seg.report.section import Section

Curve = tuple[tuple[int, ...], Average]
_FEW = 5
"""Arms up to which bands can be told apart; those of more are fainter."""


def curves(page: ProofPage, names: Names) -> Section | None:
    """Nothing where no training was evaluated more than once."""
    shown = looks(page, names)
    by_size = {size: _curves_at(page, size, shown) for size in page.scores.sizes}
    drawn = {size: found for size, found in by_size.items() if any(len(steps) > 1 for steps, _ in found.values())}
    if not drawn:
        return None
    limits = dice_limits(average for found in drawn.values() for _, average in found.values())
    plots = [
        {
            "heading": size_text(size).capitalize(),
            "svg": Markup(_svg(found, shown, limits, f"curves {size}")),
            "description": _described(found, shown, size),
        }
        for size, found in drawn.items()
    ]
    content = {"plots": plots, "arms": list(shown.values()), "scored_on": page.scored_on, **_counts(drawn)}
    return Section("curves", "How each arm learned", content)


def _curves_at(page: ProofPage, size: int, arms: Iterable[str]) -> dict[str, Curve]:
    return {arm: found for arm in arms if (found := average_curve(page.scores, arm, size)) is not None}


def dice_limits(averages: Iterable[Average]) -> tuple[float, float]:
    """One axis for all plots: the tenth of Dice below the lowest bound to the one above the highest."""
    low, high = 1.0, 0.0
    for average in averages:
        low = min(low, float((average.mean if average.low is None else average.low).min()))
        high = max(high, float((average.mean if average.high is None else average.high).max()))
    return max(0.0, math.floor(low * 10 - 0.1) / 10), min(1.0, math.ceil(high * 10 + 0.1) / 10)


def _svg(found: Mapping[str, Curve], shown: Mapping[str, ArmLook], limits: tuple[float, float], salt: str) -> str:
    from matplotlib.figure import Figure

    with plot_style(salt):
        figure = Figure(figsize=(470 * PX, 330 * PX), layout="constrained")
        axes = figure.add_subplot()
        for arm, (steps, average) in found.items():
            _line(axes, shown[arm], steps, average, 0.12 if len(found) <= _FEW else 0.05)
        axes.set_xlim(left=0)
        axes.set_ylim(*limits)
        axes.set_xlabel("optimiser step after the warm-up")
        axes.set_ylabel("mean Dice of the test patients")
        return svg_text(figure)


def _line(axes: Any, look: ArmLook, steps: tuple[int, ...], average: Average, alpha: float) -> None:
    if average.low is not None:
        axes.fill_between(steps, average.low, average.high, color=look.colour, alpha=alpha, linewidth=0)
    axes.plot(steps, average.mean, color=look.colour, linestyle=look.dash, linewidth=1.9, marker="o", markersize=3)


def _described(found: Mapping[str, Curve], shown: Mapping[str, ArmLook], size: int) -> str:
    ends = ", ".join(f"{shown[arm].shown} {dice_text(float(average.mean[-1]))}" for arm, (_, average) in found.items())
    where = f" with {size_text(size)}" if size else ""
    return f"Mean Dice of the test patients over the steps{where}; at the last evaluation {ends}."


def _counts(drawn: Mapping[int, Mapping[str, Curve]]) -> dict[str, object]:
    averages = [average for found in drawn.values() for _, average in found.values()]
    return {
        "cases": sorted({average.cases for average in averages}),
        "seeds": sorted({average.seeds for average in averages}),
        "bands": any(average.low is not None for average in averages),
    }
