"""A smaller `scripts/bench stats`: do intervals hold the truth, and words what they promise?"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = 300


def _load():
    path = Path(__file__).parents[2] / "scripts" / "benchmarks" / "stats.py"
    specification = importlib.util.spec_from_file_location("benchmark_stats", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


BENCH = _load()


def _error(share, count=EXPERIMENTS):
    return (share * (1 - share) / count) ** 0.5


@pytest.mark.parametrize("design", [BENCH.REALISTIC[0], BENCH.REALISTIC[6]], ids=lambda design: design.name)
def test_without_an_effect_intervals_hold_zero_and_helped_is_hardly_said(design):
    found = BENCH.run(design, EXPERIMENTS, seed=1)
    for measure, share in found["coverage"].items():
        assert 0.93 - 2 * _error(0.95) <= share <= 0.97 + 2 * _error(0.95), measure
    assert found["helped_in_any_measure"] <= 0.05
    assert found["helped"]["all"] <= found["helped_in_any_measure"]


def test_an_effect_of_one_standard_deviation_is_found_and_more_surely_with_more_seeds():
    found = BENCH.run(BENCH.lifted(BENCH.USUAL), EXPERIMENTS, seed=2)
    assert found["helped"]["all"] >= 0.9 - 2 * _error(0.9)
    assert found["hurt"]["all"] == 0
    assert BENCH.helped(BENCH.lifted(BENCH.USUAL, seeds=5), 100) >= 0.95


def test_simulated_dice_is_what_the_bench_says_it_is():
    rng = np.random.default_rng(0)
    dice = BENCH.simulate(BENCH.USUAL, 100, rng)
    assert dice.shape == (100, 2, 3, len(BENCH.STEPS), 20)
    assert 0 <= dice.min() < dice.max() <= 1
    assert np.mean(dice[..., -1, :] == 0) > 0.002
    assert 0.15 < dice[:, 0, 0, -1].std() < 0.25
    differences = BENCH.measured(dice)
    spread = differences.std((-2, -1)).mean(0)
    assert spread[[0, 2]] == pytest.approx(0.05, abs=0.003)


def test_the_naive_bootstrap_would_be_too_narrow():
    seeds_matter = BENCH.REALISTIC[7]
    found = BENCH.run(seeds_matter, EXPERIMENTS, seed=3)
    assert max(found["coverage_of_naive_percentiles"].values()) < 0.9 < min(found["coverage"].values())
