import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seg.proof.bootstrap import interval
from seg.proof.crossed import crossed


def test_normal_effects_get_the_interval_of_the_t_distribution():
    scores = stats.norm.ppf((np.arange(1, 41) - 0.375) / 40.25)
    values = 0.05 * scores + np.array([-0.02, 0.0, 0.02])[:, None] + 0.03
    found = crossed(values)
    low, high = interval(values)
    assert low == pytest.approx(found.mean - found.half_width(), rel=0.03)
    assert high == pytest.approx(found.mean + found.half_width(), rel=0.03)


def test_one_seed_is_scipys_percentile_interval_stretched_to_the_t_distribution():
    values = np.random.default_rng(3).exponential(1, 25)
    rng = np.random.default_rng(0)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=40_000, batch=4_000, method="percentile", rng=rng)
    stretch = stats.t.ppf(0.975, 24) / stats.norm.ppf(0.975) * (25 / 24) ** 0.5
    expected = [values.mean() + (bound - values.mean()) * stretch for bound in theirs.confidence_interval]
    assert interval(values[None], samples=40_000) == pytest.approx(tuple(expected), abs=0.02)


def test_lopsided_cases_get_a_lopsided_interval():
    values = np.tile(np.random.default_rng(1).exponential(1, 20), (3, 1))
    low, high = interval(values)
    assert high - values.mean() > 1.1 * (values.mean() - low)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 12))
def test_order_does_not_matter_and_exchanging_the_arms_mirrors_the_interval(seed, seeds, cases):
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=(seeds, cases))
    low, high = interval(values, 400)
    shuffled = values[rng.permutation(seeds)][:, rng.permutation(cases)]
    assert interval(shuffled, 400) == pytest.approx((low, high), abs=1e-9)
    assert interval(-values, 400) == pytest.approx((-high, -low), abs=1e-9)


def test_many_at_once_are_the_single_ones():
    values = np.random.default_rng(2).normal(size=(5, 3, 9))
    low, high = interval(values, 500)
    for number, alone in enumerate(values):
        assert interval(alone, 500) == pytest.approx((low[number], high[number]))


def test_equal_differences_have_an_interval_of_one_point():
    assert interval(np.full((3, 6), 0.25)) == (0.25, 0.25)
