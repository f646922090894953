"""The section of the patients: what each of them has with the baseline and with the arm, joined by a line."""

from collections.abc import Mapping, Sequence

import numpy as np

from seg.proof.crossed import Floats
from seg.proof.verdict import Verdict
from seg.report.names import Names
from seg.report.numbers import count_text
from seg.report.proved.arms import ArmLook, baselines_of, looks
from seg.report.proved.averages import patient_ends
from seg.report.proved.page import ProofPage
from seg.report.proved.words import dice_text, points_text, size_text
from seg.report.section import Section

HEIGHT = 100.0
"""Of a panel's axis, in its own units."""
_TICKS = 4


def paired(page: ProofPage, names: Names) -> Section | None:
    """A panel per verdict; nothing where no patient can be compared."""
    shown = looks(page, names)
    ends = {place: _both(page, verdict) for place, verdict in enumerate(page.verdicts)}
    values = np.concatenate([np.array([]), *(both[both_defined(both)].ravel() for both in ends.values())])
    if not len(values):
        return None
    low, high = np.floor(values.min() * 10) / 10, np.ceil(values.max() * 10) / 10
    axis = (float(low), float(max(high, low + 0.1)))
    groups = [
        _group(page, baseline, size, names, shown, ends, axis)
        for baseline in baselines_of(page)
        for size in page.scores.sizes
    ]
    kept = [group for group in groups if group["panels"]]
    content = {"groups": kept, "folded": len(kept) > 1, "ticks": _ticks(axis), "height": HEIGHT}
    along = any(len(verdict.measures) > 1 for verdict in page.verdicts)
    return Section("paired", "Patient by patient, at the end" if along else "Patient by patient", content)


def both_defined(both: Floats) -> np.ndarray:
    """Which cases have a Dice with baseline and arm: (cases, 2) to (cases)."""
    return np.asarray(np.isfinite(both).all(1))


def _both(page: ProofPage, verdict: Verdict) -> Floats:
    """The end of every case with baseline and arm (cases, 2), mean over the trainings that both have."""
    table, size = page.scores, verdict.size
    seeds = sorted(set(table.seeds(verdict.arm, size)) & set(table.seeds(verdict.baseline, size)))
    if not seeds:
        return np.full((len(table.cases), 2), np.nan)
    return np.stack([patient_ends(table, arm, size, seeds) for arm in (verdict.baseline, verdict.arm)], axis=1)


def _group(
    page: ProofPage,
    baseline: str,
    size: int,
    names: Names,
    shown: Mapping[str, ArmLook],
    ends: Mapping[int, Floats],
    axis: tuple[float, float],
) -> dict[str, object]:
    panels = [
        _panel(verdict, shown[verdict.arm].shown, page, names, ends[place], axis)
        for place, verdict in enumerate(page.verdicts)
        if (verdict.baseline, verdict.size) == (baseline, size) and both_defined(ends[place]).any()
    ]
    heading = ", ".join(part for part in (f"Beside {shown[baseline].shown}", size_text(size)) if part)
    opened = baseline == baselines_of(page)[0]
    return {"heading": heading, "baseline": shown[baseline].shown, "panels": panels, "open": opened}


def _panel(
    verdict: Verdict, arm: str, page: ProofPage, names: Names, both: Floats, axis: tuple[float, float]
) -> dict[str, object]:
    kept = [(case, float(one), float(other)) for case, (one, other) in zip(page.scores.cases, both, strict=True)
            if np.isfinite(one) and np.isfinite(other)]  # fmt: skip
    lines = [
        {
            "kind": _kind(other - one, verdict.margin),
            "y": (_height(one, axis), _height(other, axis)),
            "title": f"{names.patients[case]}: {dice_text(one)} to {dice_text(other)} ({points_text(other - one)})",
        }
        for case, one, other in kept
    ]
    better = sum(line["kind"] == "helped" for line in lines)
    worse = sum(line["kind"] == "hurt" for line in lines)
    means = [float(np.mean([pair[place] for pair in kept])) for place in (1, 2)]
    counts = f"{better} better, {worse} worse of {count_text(len(kept), 'patient')}"
    return {
        "arm": arm,
        "lines": lines,
        "mean": tuple(_height(mean, axis) for mean in means),
        "counts": counts,
        "change": f"mean {dice_text(means[0])} to {dice_text(means[1])}",
    }


def _kind(difference: float, margin: float) -> str:
    if abs(difference) < margin:
        return "unclear"
    return "helped" if difference > 0 else "hurt"


def _height(dice: float, axis: tuple[float, float]) -> float:
    low, high = axis
    return round(HEIGHT * (high - dice) / (high - low), 2)


def _ticks(axis: tuple[float, float]) -> Sequence[tuple[float, str]]:
    tenths = range(round(10 * axis[0]), round(10 * axis[1]) + 1)
    step = next(step for step in (1, 2, 5, 10) if len(tenths) <= step * (_TICKS + 1))
    return [(_height(tenth / 10, axis), f"{tenth / 10:.1f}") for tenth in tenths if tenth % step == 0]
