"""How each arm looks everywhere on the page: baselines in ink and dashed, the others in colours."""

from dataclasses import dataclass
from typing import Any

from seg.report.drawing import DASHES, INK, SERIES
from seg.report.names import Names
from seg.report.proved.page import ProofPage


@dataclass(frozen=True)
class ArmLook:
    """One arm in plots and legends."""

    shown: str
    """What the page calls it."""
    words: str
    """What it is; empty where that was not said."""
    baseline: bool
    colour: str
    """Stand-in of `seg.report.drawing`."""
    css: str
    """The same colour as the page's style has it."""
    dash: Any
    """Line style of matplotlib."""

    @property
    def dasharray(self) -> str:
        """The same line style for SVG; `none` for a solid line."""
        return "none" if self.dash == "-" else " ".join(f"{2 * part:g}" for part in self.dash[1])


def baselines_of(page: ProofPage) -> tuple[str, ...]:
    """The arms that others are judged against."""
    return tuple(dict.fromkeys(verdict.baseline for verdict in page.verdicts))


def looks(page: ProofPage, names: Names) -> dict[str, ArmLook]:
    """Every arm that was scored or judged, in the order of legends."""
    judged = (arm for verdict in page.verdicts for arm in (verdict.baseline, verdict.arm))
    scored = dict.fromkeys((*page.scores.arms, *judged))
    order = dict.fromkeys((*(arm for arm in page.arms if arm in scored), *scored))
    beside = [arm for arm in order if arm in baselines_of(page)]
    others = [arm for arm in order if arm not in beside]
    found = {}
    for arm in order:
        words = names.masked(page.arms.get(arm, ""))
        if arm in beside:
            dash = DASHES[1 + beside.index(arm) % (len(DASHES) - 1)]
            found[arm] = ArmLook(names.masked(arm), words, True, INK, "var(--ink)", dash)
        else:
            number = others.index(arm)
            series = number % len(SERIES)
            dash = DASHES[number // len(SERIES) % len(DASHES)]
            css = f"var(--series-{series + 1})"
            found[arm] = ArmLook(names.masked(arm), words, False, SERIES[series], css, dash)
    return found
