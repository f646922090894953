"""What single arms reach: means over patients and trainings with their intervals, and each patient's end."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from seg.proof.bootstrap import interval
from seg.proof.crossed import Floats
from seg.proof.curves import asymptote
from seg.proof.scores import ScoreTable


@dataclass(frozen=True)
class Average:
    """Means of one arm at one size, at each of its evaluations or at the end alone."""

    mean: Floats
    low: Floats | None
    """Of the 95 % interval for new patients and trainings; None where a single patient tells nothing of others."""
    high: Floats | None
    seeds: int
    cases: int


def average_curve(table: ScoreTable, arm: str, size: int) -> tuple[tuple[int, ...], Average] | None:
    """Steps that all trainings of the arm share, and the means there; None where it has none or no patient counts."""
    found = _dice(table, arm, size)
    return None if found is None else (found[0], _average(found[1]))


def average_end(table: ScoreTable, arm: str, size: int) -> Average | None:
    """The mean of the last tenth of the evaluations, as in the verdicts."""
    found = _dice(table, arm, size)
    return None if found is None else _average(asymptote(found[1].swapaxes(0, 1))[None])


def patient_ends(table: ScoreTable, arm: str, size: int, seeds: Iterable[int]) -> Floats:
    """Per case the end, mean over those trainings; NaN where Dice has no value in some evaluation."""
    curves = [table.curve(arm, size, seed)[1] for seed in seeds]
    every = [np.where(np.isfinite(dice).all(0), asymptote(dice), np.nan) for dice in curves]
    return np.asarray(np.mean(every, axis=0), dtype=np.float64)


def _dice(table: ScoreTable, arm: str, size: int) -> tuple[tuple[int, ...], Floats] | None:
    """Common steps and Dice (evaluations, seeds, cases) of the cases that have one in all evaluations of that size."""
    curves = [table.curve(arm, size, seed) for seed in table.seeds(arm, size)]
    defined = _defined(table, size)
    if not curves or not defined.any():
        return None
    steps = tuple(sorted(set.intersection(*(set(found) for found, _ in curves))))
    chosen = [[dice[found.index(step)] for step in steps] for found, dice in curves]
    return (steps, np.array(chosen).swapaxes(0, 1)[..., defined]) if steps else None


def _defined(table: ScoreTable, size: int) -> np.ndarray:
    rows = [[value is not None for value in row.dice] for row in table.rows if row.size == size]
    return np.asarray(np.array(rows, dtype=bool).reshape(len(rows), len(table.cases)).all(0))


def _average(dice: Floats) -> Average:
    """Of (places, seeds, cases)."""
    seeds, cases = dice.shape[-2:]
    low, high = interval(dice) if cases > 1 else (None, None)
    if low is not None and high is not None:
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return Average(dice.mean((-2, -1)), low, high, seeds, cases)
