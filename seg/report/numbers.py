"""How metrics are named, explained and rounded for a reader."""

from dataclasses import dataclass
from typing import Literal

from seg.records import Evaluation, Interval

UNDEFINED = "undefined"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Look:
    """How one metric is shown."""

    title: str
    meaning: str
    """One line for a reader who knows the organ, not the metric."""
    decimals: int = 3
    kind: Literal["share", "distance", "volume", "number"] = "number"
    worst: Literal["low", "high", "far"] = "low"
    """Which end is bad: low values, high values, or those far from zero."""

    def unit(self, distance_unit: Literal["mm", "px"]) -> str:
        """`mm`, `ml`, `px` or nothing."""
        units = {"distance": distance_unit, "volume": "ml" if distance_unit == "mm" else "px"}
        return units.get(self.kind, "")

    def badness(self, value: float) -> float:
        """A number that is larger the worse the value is."""
        return {"low": -value, "high": value, "far": abs(value)}[self.worst]


LOOKS = {
    "dice": Look("Dice", "Overlap of prediction and reference: 1 is identical, 0 is no overlap at all.", kind="share"),
    "iou": Look("IoU", "Shared part of all that either mask covers: 1 is identical. Never above Dice.", kind="share"),
    "hd95": Look(
        "HD95", "95 % of either outline lies at most this far from the other. 0 is perfect.", 2, "distance", "high"
    ),
    "assd": Look("ASSD", "Average distance between the two outlines. 0 is perfect.", 2, "distance", "high"),
    "nsd": Look("NSD", "Share of the outlines that agree within the tolerance: 1 is all of it.", kind="share"),
    "precision": Look(
        "Precision", "Share of the predicted region that is truly organ; low means too much.", kind="share"
    ),
    "recall": Look("Recall", "Share of the organ that was found; low means too little.", kind="share"),
    "volume_difference": Look(
        "Volume difference", "Predicted minus reference volume: above 0 is too large.", 1, "volume", "far"
    ),
}
HEADLINE = ("dice", "hd95", "nsd", "volume_difference")


def look_of(metric: str) -> Look:
    """How that metric is shown; one that is not known here gets its own name and three decimals."""
    return LOOKS.get(metric) or Look(metric.replace("_", " ").capitalize(), "")


def metrics_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Every metric that occurs, in the order of the definitions."""
    summarised = (name for metrics in evaluation.summary.values() for name in metrics)
    scored = (name for score in evaluation.cases for name in score.values)
    return tuple(dict.fromkeys((*evaluation.definitions, *summarised, *scored)))


def leading_metric(evaluation: Evaluation) -> str | None:
    """Dice where it was measured, else the first metric; None where nothing was."""
    metrics = metrics_of(evaluation)
    return "dice" if "dice" in metrics else next(iter(metrics), None)


def number_text(value: float | None, look: Look, unit: str = "") -> str:
    """The rounded number with its unit; a signed kind always shows its sign, None reads `undefined`."""
    if value is None:
        return UNDEFINED
    rounded = round(value, look.decimals) or 0.0
    sign = "+" if look.worst == "far" and rounded > 0 else ""
    text = f"{sign}{rounded:.{look.decimals}f}".replace("-", MINUS)
    return f"{text} {unit}" if unit else text


def range_text(interval: Interval, look: Look) -> str:
    """`0.931 to 0.953`, or nothing where there is no interval."""
    if interval.low is None or interval.high is None:
        return ""
    return f"{number_text(interval.low, look)} to {number_text(interval.high, look)}"


def interval_text(interval: Interval, look: Look, unit: str = "") -> str:
    """`0.943 (95 % interval 0.931 to 0.953)`; without the bracket where there is no interval."""
    mean, spread = number_text(interval.mean, look, unit), range_text(interval, look)
    return f"{mean} (95 % interval {spread})" if spread else mean


def count_text(number: int, singular: str, plural: str = "") -> str:
    """`1 patient`, `20 patients`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
