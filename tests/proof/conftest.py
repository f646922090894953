from collections.abc import Callable

import numpy as np
import pytest

from seg.proof.scores import ScoreRow, ScoreTable

STEPS = (0, 50, 100, 200, 400, 600, 800, 1000, 1200, 1400)


def exponential(start: float, end: float, steps: tuple[int, ...] = STEPS, time_constant: float = 200.0) -> np.ndarray:
    """D(t) = a - b exp(-t / tau)."""
    return end - (end - start) * np.exp(-np.array(steps) / time_constant)


@pytest.fixture
def make_table() -> Callable[..., ScoreTable]:
    """Scores of arms given by (start, end), of 12 patients and 3 seeds at one size, with a little of everything."""

    def build(
        arms: dict[str, tuple[float, float]],
        cases: int = 12,
        seeds: int = 3,
        sizes: tuple[int, ...] = (5,),
        seed: int = 0,
    ) -> ScoreTable:
        rng = np.random.default_rng(seed)
        difficulty = rng.normal(0, 0.05, cases)
        rows = []
        for size in sizes:
            for arm, (start, end) in arms.items():
                own = rng.normal(0, 0.015, cases)
                for number in range(seeds):
                    level = exponential(start, end)[:, None] + difficulty + own + rng.normal(0, 0.004)
                    dice = np.clip(level + rng.normal(0, 0.01, (len(STEPS), cases)), 0, 1)
                    rows += [
                        ScoreRow(arm, number, size, step, tuple(map(float, row)))
                        for step, row in zip(STEPS, dice, strict=True)
                    ]
        return ScoreTable(tuple(f"patient-{number}" for number in range(cases)), tuple(rows))

    return build
