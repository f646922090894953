"""The section of the times: steps until an arm is where its baseline ends."""

from seg.proof.times import TimeTo
from seg.proof.verdict import Verdict
from seg.report.names import Names
from seg.report.proved.arms import ArmLook, looks
from seg.report.proved.page import ProofPage
from seg.report.proved.words import NOTHING, dice_text, step_text
from seg.report.section import Section


def times(page: ProofPage, names: Names) -> Section | None:
    """Nothing where nothing was evaluated along the way."""
    shown = looks(page, names)
    rows = [_row(verdict, time, shown) for verdict in page.verdicts for time in verdict.times]
    if not rows:
        return None
    several = any(len(time.arm) > 1 for verdict in page.verdicts for time in verdict.times)
    content = {"rows": rows, "sizes": any(row["size"] for row in rows), "several": several}
    return Section("times", "How soon each arm is where its baseline ends", content)


def _row(verdict: Verdict, time: TimeTo, shown: dict[str, ArmLook]) -> dict[str, object]:
    return {
        "arm": shown[verdict.arm].shown,
        "baseline": shown[verdict.baseline].shown,
        "size": verdict.size,
        "share": f"{100 * time.share:.0f}",
        "dice": dice_text(time.dice),
        "ours": _steps(time.arm_median, time.arm, time.last_step),
        "theirs": _steps(time.baseline_median, time.baseline, time.last_step),
        "faster": _faster(time),
    }


def _steps(median: float | None, every: tuple[float | None, ...], last: float) -> dict[str, object]:
    never = f"not within {step_text(last)} steps"
    each = ", ".join("never" if step is None else step_text(step) for step in every)
    # Sorting puts what never arrived behind everything that did.
    return {
        "text": never if median is None else step_text(median),
        "sort": f"{2 * last + 1 if median is None else median:.9g}",
        "each": each if len(every) > 1 else "",
    }


def _faster(time: TimeTo) -> dict[str, str]:
    """How many times as soon as its baseline the arm is there."""
    ratio = time.ratio
    if time.arm_median is not None and not time.arm_median:
        return {"text": "from the start", "sort": "1e9"}
    if ratio is None:
        return {"text": NOTHING, "sort": ""}
    bound = "at least " if time.baseline_median is None else ""
    return {"text": f"{bound}{ratio:.1f} times", "sort": f"{ratio:.9g}"}
