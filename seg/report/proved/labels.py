"""The section of the labels: what every arm reaches with how many labelled patients, and how many of them it saves."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from seg.proof.sentence import labels_sentence
from seg.report.drawing import PX, plot_style, svg_text
from seg.report.names import Names
from seg.report.proved.arms import ArmLook, looks
from seg.report.proved.averages import Average, average_end
from seg.report.proved.curves import dice_limits
from seg.report.proved.page import ProofPage
from seg.report.proved.words import dice_text
from seg.report.section import Section

_APART = 1.018
"""Factor of the size by which arms are moved apart, so that their intervals do not cover each other."""


def labels(page: ProofPage, names: Names) -> Section | None:
    """Nothing where there is one size only."""
    sizes = [size for size in page.scores.sizes if size]
    shown = looks(page, names)
    found = {arm: _ends(page, arm, sizes) for arm in shown}
    drawn = {arm: ends for arm, ends in found.items() if ends}
    if len({size for ends in drawn.values() for size in ends}) < 2:
        return None
    content = {
        "sentences": [
            names.masked(labels_sentence(saved.arm, saved.baseline, saved.efficiency)) for saved in page.labels
        ],
        "plot": Markup(_svg(drawn, shown, sizes)),
        "description": _described(drawn, shown),
        "arms": [shown[arm] for arm in drawn],
        "bands": any(end.low is not None for ends in drawn.values() for end in ends.values()),
    }
    return Section("labels", "What labels are worth", content)


def _ends(page: ProofPage, arm: str, sizes: list[int]) -> dict[int, Average]:
    return {size: end for size in sizes if (end := average_end(page.scores, arm, size)) is not None}


def _svg(drawn: Mapping[str, Mapping[int, Average]], shown: Mapping[str, ArmLook], sizes: list[int]) -> str:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, NullLocator

    with plot_style("labels"):
        figure = Figure(figsize=(560 * PX, 340 * PX), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for number, (arm, ends) in enumerate(drawn.items()):
            _line(axes, shown[arm], ends, _APART ** (number - (len(drawn) - 1) / 2))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(*dice_limits(end for ends in drawn.values() for end in ends.values()))
        axes.set_xlabel("labelled patients (logarithmic axis)")
        axes.set_ylabel("mean Dice at the end")
        return svg_text(figure)


def _line(axes: Any, look: ArmLook, ends: Mapping[int, Average], aside: float) -> None:
    places = [size * aside for size in ends]
    means = [float(end.mean[0]) for end in ends.values()]
    axes.plot(places, means, color=look.colour, linestyle=look.dash, linewidth=1.9, marker="o", markersize=4.5)
    for place, end in zip(places, ends.values(), strict=True):
        if end.low is not None and end.high is not None:
            axes.vlines([place], end.low, end.high, color=look.colour, linewidth=1.4, alpha=0.7)


def _described(drawn: Mapping[str, Mapping[int, Average]], shown: Mapping[str, ArmLook]) -> str:
    parts = [
        f"{shown[arm].shown} {', '.join(f'{dice_text(float(end.mean[0]))} with {size}' for size, end in ends.items())}"
        for arm, ends in drawn.items()
    ]
    return f"Mean Dice at the end over the number of labelled patients: {'; '.join(parts)}."
