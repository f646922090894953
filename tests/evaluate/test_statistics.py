import math

import numpy as np
import pytest
from scipy import stats

from seg.evaluate.statistics import bootstrap_interval
from seg.records import Interval


def test_ninety_five_percent_intervals_hold_the_truth_about_as_often():
    rng = np.random.default_rng(7)
    truth = stats.beta(20, 2).mean()
    experiments = [bootstrap_interval(list(rng.beta(20, 2, 20)), samples=400, seed=index) for index in range(300)]
    assert 0.90 <= np.mean([found.low <= truth <= found.high for found in experiments]) <= 0.99


def test_the_interval_is_scipys(random_pair):
    values = np.random.default_rng(1).beta(20, 2, 25)
    ours = bootstrap_interval(list(values), samples=2000, seed=3)
    rng = np.random.default_rng(3)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=2000, batch=1000, method="BCa", rng=rng)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval))
    assert ours.low < ours.mean < ours.high


def test_same_seed_same_interval_and_another_seed_nearly_the_same():
    values = list(np.random.default_rng(1).random(30))
    first = bootstrap_interval(values, 2000, 0)
    assert first == bootstrap_interval(values, 2000, 0)
    other = bootstrap_interval(values, 2000, 1)
    assert first != other
    assert first.low == pytest.approx(other.low, abs=0.02)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Interval(None, None, None, 0, 0)),
        ([None, None], Interval(None, None, None, 0, 2)),
        ([0.5], Interval(0.5, None, None, 1, 0)),
        ([0.5, 0.7], Interval(0.6, None, None, 2, 0)),
        ([0.5, 0.5, 0.5], Interval(0.5, 0.5, 0.5, 3, 0)),
        ([1.0, None, 1.0, math.nan, 1.0], Interval(1.0, 1.0, 1.0, 3, 2)),
    ],
)
def test_few_equal_and_undefined_values_follow_the_stated_rule(values, expected):
    assert bootstrap_interval(values, samples=100) == expected


def test_one_case_among_equal_ones_still_gives_an_interval():
    found = bootstrap_interval([0.9] * 9 + [0.1], samples=1000)
    assert found.low < found.mean < found.high <= 0.9


def test_rounding_moves_neither_mean_nor_bounds_out_of_the_values():
    found = bootstrap_interval([0.9] * 10, samples=100)
    assert (found.mean, found.low, found.high) == (0.9, 0.9, 0.9)


def test_values_that_only_rounding_tells_apart_still_give_an_interval():
    found = bootstrap_interval([0.1, 0.1 + 1e-17, 0.1 + 3e-17, 0.3 - 0.2], samples=200)
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)


def test_an_infinite_value_is_refused():
    with pytest.raises(ValueError, match="infinite"):
        bootstrap_interval([0.1, math.inf])
