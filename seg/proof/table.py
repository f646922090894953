"""The table of an experiment: one flat row per arm, size and measure."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from seg.proof.verdict import Verdict

Cell = str | int | float | None


def rows(verdicts: Iterable[Verdict]) -> list[dict[str, Cell]]:
    """Every number behind every word, Dice from 0 to 1; all rows have the same columns.

    `arm_dice`, `baseline_dice` and `difference` with its interval `low` to `high`; `p_cases`, `p` and `p_holm`; the
    standard deviations that the differences have; `detectable`, the smallest true difference such an experiment finds.
    The area below the curve is listed and not judged, so it has neither `p_holm` nor a word.
    """
    return [
        _row(verdict, cells)
        for verdict in verdicts
        for cells in [*map(asdict, verdict.measures), *([asdict(verdict.area)] if verdict.area else [])]
    ]


def record(verdict: Verdict) -> dict[str, Any]:
    """What a verdict says beside its rows, for JSON."""
    return {
        "arm": verdict.arm, "baseline": verdict.baseline, "size": verdict.size, "verdict": verdict.verdict,
        "negative_transfer": verdict.negative_transfer, "needed": verdict.needed and asdict(verdict.needed),
        "margin": verdict.margin, "undefined": verdict.undefined, "unpaired": verdict.unpaired,
        "times": [asdict(time) for time in verdict.times],
    }  # fmt: skip


def _row(verdict: Verdict, cells: dict[str, Cell]) -> dict[str, Cell]:
    row: dict[str, Cell] = {"arm": verdict.arm, "baseline": verdict.baseline, "size": verdict.size}
    row |= {"measure": cells["measure"], "arm_dice": cells["arm"], "baseline_dice": cells["baseline"]}
    row |= {"difference": cells["estimate"], "low": cells["low"], "high": cells["high"]}
    row |= {name: cells[name] for name in ("p_cases", "p")}
    row |= {name: cells.get(name) for name in ("p_holm", "verdict")}
    row |= {name: cells[name] for name in ("cases", "seeds", "case_sd", "seed_sd", "rest_sd")}
    return row | {"detectable": cells.get("detectable"), "over_steps": cells["over_steps"]}
