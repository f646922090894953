"""What the guard of a transfer found, on the page of the model that came of it."""

from seg.proof.guarded import Guarded, Probed
from seg.report.names import Names
from seg.report.numbers import UNDEFINED, count_text, look_of, number_text
from seg.report.page import Page

_VERDICTS = {
    "helped": "the source helps",
    "hurt": "the source hurts (negative transfer)",
    "no evidence": "no evidence that the source helps or hurts",
    "cannot say": "cannot be said",
}


def with_verdict(page: Page, sentences: list[str]) -> list[str]:
    """The sentences that open the page and the guard's: first where the model is not the one that was asked for."""
    if page.guard is None:
        return sentences
    own = page.guard.sentence()
    return [own, *sentences] if page.guard.hurt else [*sentences, own]


def guard_table(page: Page, names: Names) -> dict[str, object] | None:
    """Both starts, their difference and what finding it cost; None where nobody asked."""
    guard = page.guard
    if guard is None:
        return None
    return {
        "rows": [_row(guard, arm, names) for arm in (guard.transfer, guard.fallback)],
        "difference": _difference(guard),
        "verdict": _VERDICTS[guard.verdict],
        "judged": guard.judged,
        "cost": _cost(page, guard),
        "margin": f"{100 * guard.margin:g}",
    }


def _row(guard: Guarded, arm: Probed, names: Names) -> dict[str, str | bool]:
    return {
        "words": names.masked(arm.words),
        "dice": number_text(guard.dice(arm), look_of("dice")),
        "steps": f"{arm.trainings} x {arm.steps}" if arm.trainings > 1 else str(arm.steps),
        "trained": (arm is guard.fallback) == guard.hurt,
    }


def _difference(guard: Guarded) -> str:
    if guard.estimate is None:
        return UNDEFINED
    found = _points(guard.estimate)
    if guard.low is None or guard.high is None:
        return f"{found} Dice points, without an interval"
    return f"{found} Dice points (95 % interval {_points(guard.low)} to {_points(guard.high)})"


def _points(dice: float) -> str:
    return f"{100 * dice:+.1f}".replace("-", "\N{MINUS SIGN}")


def _cost(page: Page, guard: Guarded) -> str:
    trainings = guard.transfer.trainings + guard.fallback.trainings
    if not trainings:
        return "nothing"
    own = page.curve[-1].step if page.curve else 0
    share = f", {guard.steps / (guard.steps + own):.0%} of all steps" if own else ""
    minutes = f"{guard.seconds / 60:.1f} min"
    return f"{count_text(trainings, 'short training')}, {guard.steps} steps{share}, {minutes}"
