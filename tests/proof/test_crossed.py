import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seg.proof.crossed import BOUND, KNOWN, crossed


def _effects(rng, experiments, seeds, cases, of_case, of_seed, rest):
    return (
        of_case * rng.standard_normal((experiments, 1, cases))
        + of_seed * rng.standard_normal((experiments, seeds, 1))
        + rest * rng.standard_normal((experiments, seeds, cases))
    )


def _by_hand(values):
    """Mean squares by loops over the table."""
    seeds, cases = len(values), len(values[0])
    mean = sum(map(sum, values)) / (seeds * cases)
    of_case = [sum(values[s][c] for s in range(seeds)) / seeds for c in range(cases)]
    of_seed = [sum(values[s]) / cases for s in range(seeds)]
    squares_of_cases = seeds * sum((m - mean) ** 2 for m in of_case) / (cases - 1)
    squares_of_seeds = cases * sum((m - mean) ** 2 for m in of_seed) / (seeds - 1)
    rest = sum(
        (values[s][c] - of_case[c] - of_seed[s] + mean) ** 2 for s in range(seeds) for c in range(cases)
    ) / ((seeds - 1) * (cases - 1))  # fmt: skip
    return mean, squares_of_cases, squares_of_seeds, rest


def test_components_and_degrees_of_freedom_are_those_of_a_loop_over_the_table():
    values = _effects(np.random.default_rng(3), 1, 4, 7, 2, 1, 0.5)[0]
    mean, of_cases, of_seeds, rest = _by_hand(values.tolist())
    found = crossed(values)
    assert found.mean == pytest.approx(mean)
    assert found.case_variance == pytest.approx((of_cases - rest) / 4)
    assert found.seed_variance == pytest.approx((of_seeds - rest) / 7)
    assert found.rest_variance == pytest.approx(rest)
    assert found.standard_error == pytest.approx(((of_cases + of_seeds - rest) / 28) ** 0.5)
    bound = of_seeds * 3 / stats.chi2(3).ppf(1 - BOUND)
    spread = of_cases**2 / 6 + (bound - KNOWN * rest) ** 2 / 3 + rest**2 / 18
    assert found.degrees == pytest.approx(np.clip((of_cases + bound - rest) ** 2 / spread, 3, 6))


def test_the_squared_standard_error_is_on_average_the_variance_of_the_mean():
    values = _effects(np.random.default_rng(1), 20_000, 3, 20, 4, 1, 3)
    found = crossed(values)
    expected = 16 / 20 + 1 / 3 + 9 / 60
    assert np.var(found.mean) == pytest.approx(expected, rel=0.04)
    assert np.mean(found.standard_error**2) == pytest.approx(expected, rel=0.04)


def test_one_seed_is_the_paired_t_test():
    values = np.random.default_rng(2).normal(0.3, 1, (1, 9))
    theirs = stats.ttest_1samp(values[0], 0)
    found = crossed(values)
    low, high = theirs.confidence_interval(0.95)
    assert found.p() == pytest.approx(theirs.pvalue)
    assert (found.mean - found.half_width(), found.mean + found.half_width()) == pytest.approx((low, high))
    assert (found.seed_variance, found.rest_variance) == (0, 0)


def test_where_only_seeds_differ_the_seeds_are_the_sample():
    of_seed = np.array([0.1, 0.3, 0.8])
    found = crossed(of_seed[:, None] + np.zeros((3, 40)))
    theirs = stats.ttest_1samp(of_seed, 0)
    assert found.degrees == 2
    assert found.p() == pytest.approx(theirs.pvalue)


def test_many_experiments_at_once_are_the_single_ones():
    values = _effects(np.random.default_rng(5), 6, 3, 8, 1, 1, 1).reshape(2, 3, 3, 8)
    every = crossed(values)
    for first in range(2):
        for second in range(3):
            alone = crossed(values[first, second])
            assert every.degrees[first, second] == pytest.approx(alone.degrees)
            assert every.p()[first, second] == pytest.approx(alone.p())


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 9))
def test_order_does_not_matter_and_exchanging_the_arms_changes_the_sign_alone(seed, seeds, cases):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(seeds, cases))
    found, other = crossed(values), crossed(-values[rng.permutation(seeds)][:, rng.permutation(cases)])
    assert other.mean == pytest.approx(-found.mean, abs=1e-12)
    assert other.standard_error == pytest.approx(found.standard_error)
    assert other.degrees == pytest.approx(found.degrees)


def test_equal_differences_have_no_spread():
    found = crossed(np.full((3, 5), 0.2))
    assert found.standard_error == pytest.approx(0, abs=1e-15)
    assert crossed(np.zeros((3, 5))).p() == 1


def test_a_difference_without_any_spread_is_certain():
    assert crossed(np.full((2, 4), 0.25)).p() == 0


@pytest.mark.parametrize("shape", [(3, 1), (0, 4)])
def test_a_single_case_has_no_standard_error(shape):
    with pytest.raises(ValueError, match="two cases and one seed are needed"):
        crossed(np.zeros(shape))
