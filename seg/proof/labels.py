"""How many labelled patients an arm saves: what its baseline needs for a Dice, by what the arm needs for the same."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seg.errors import DataError
from seg.proof.crossed import Floats
from seg.proof.curves import asymptote
from seg.proof.pairs import paired
from seg.proof.scores import ScoreTable
from seg.proof.times import first_reached

SAMPLES = 2_000


@dataclass(frozen=True)
class LabelEfficiency:
    """Labelled patients that both need for the Dice that the baseline has with the most labels."""

    dice: float
    arm: float | None
    """None where the arm needs more than the largest size."""
    baseline: float
    ratio: float
    """Baseline by arm: 4 means a quarter of the labels; 0 where the arm never comes there."""
    bound: Literal["", "at least", "below 1"]
    """`at least`: the arm is there with the smallest size already. `below 1`: it never comes there."""
    low: float
    """Of the bootstrap interval of the ratio."""
    high: float


def label_efficiency(table: ScoreTable, arm: str, baseline: str) -> LabelEfficiency:
    """From the asymptotes at all sizes that both arms have, interpolated over the logarithm of the size.

    The interval draws cases and seeds with replacement, the same ones for both arms and for all sizes. With few seeds
    it is too narrow, and no verdict rests on it. Draws in which a bound holds count with the bound.

    Raises:
        DataError: fewer than two sizes, seeds or cases differ between sizes.
    """
    sizes, ours, theirs = _ends(table, arm, baseline)
    logs = np.log(sizes)
    needs = _needs(ours.mean((-2, -1)), theirs.mean((-2, -1)), logs)
    ratios = [_ratio(_needs(a, b, logs)[:2]) for a, b in zip(*_resampled(ours, theirs), strict=True)]
    low, high = np.quantile(ratios, [0.025, 0.975])
    at_once = needs[0] <= sizes[0]
    return LabelEfficiency(
        dice=needs[2],
        arm=needs[0] if math.isfinite(needs[0]) else None,
        baseline=needs[1],
        ratio=_ratio(needs[:2]),
        bound="at least" if at_once else "" if math.isfinite(needs[0]) else "below 1",
        low=float(low),
        high=float(high),
    )


def _ends(table: ScoreTable, arm: str, baseline: str) -> tuple[Floats, Floats, Floats]:
    """Sizes, and asymptotes of both (sizes, seeds, cases)."""
    sizes = [size for size in table.sizes if set(table.seeds(arm, size)) & set(table.seeds(baseline, size))]
    pairs = [paired(table, arm, baseline, size) for size in sizes]
    shapes = {pair.arm[:, 0].shape for pair in pairs}
    if len(sizes) < 2 or len(shapes) > 1:
        raise DataError(
            found=f"{len(sizes)} sizes with {len(shapes)} different sets of seeds and cases",
            expected="at least two sizes with the same seeds and cases", fix="train both arms at two sizes or more",
            code="too-few-sizes",
        )  # fmt: skip
    ours, theirs = (np.stack([asymptote(values) for values in both]) for both in zip(
        *((pair.arm, pair.baseline) for pair in pairs), strict=True
    ))  # fmt: skip
    return np.array(sizes, dtype=np.float64), ours, theirs


def _needs(ours: Floats, theirs: Floats, logs: Floats) -> tuple[float, float, float]:
    """Labels that arm and baseline need, and for which Dice. More labels are not taken to make anything worse."""
    ours, theirs = np.maximum.accumulate(ours), np.maximum.accumulate(theirs)
    goal = float(theirs[-1])
    return math.exp(first_reached(ours, logs, goal)), math.exp(first_reached(theirs, logs, goal)), goal


def _ratio(needs: tuple[float, ...]) -> float:
    return needs[1] / needs[0]


def _resampled(ours: Floats, theirs: Floats) -> tuple[Floats, Floats]:
    """Mean Dice (samples, sizes) of both, of the same drawn cases and seeds."""
    seeds, cases = ours.shape[-2:]
    rng = np.random.default_rng(0)
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), SAMPLES) / seeds
    of_cases = rng.multinomial(cases, np.full(cases, 1 / cases), SAMPLES) / cases
    return np.einsum("bs,zsn,bn->bz", of_seeds, ours, of_cases, optimize=True), np.einsum(
        "bs,zsn,bn->bz", of_seeds, theirs, of_cases, optimize=True
    )
