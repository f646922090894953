from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seg.proof.sign_flip import EXACT_UP_TO, SAMPLED, sign_flip_p, smallest_p


def _brute_force(values):
    patterns = np.array(list(product((1, -1), repeat=len(values))))
    return np.mean(np.abs((patterns * values).sum(1)) >= abs(sum(values)) - 1e-12)


@pytest.mark.parametrize("cases", [2, 3, 8, 11])
def test_few_cases_are_tried_in_every_pattern(cases):
    values = np.random.default_rng(cases).normal(0.4, 1, cases)
    assert sign_flip_p(values) == pytest.approx(_brute_force(values.tolist()))


def test_it_is_scipys_exact_permutation_test():
    values = np.random.default_rng(4).normal(0.5, 1, 9)
    theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(values) == pytest.approx(theirs.pvalue)


def test_a_sample_of_the_patterns_is_close_to_all_of_them():
    values = np.random.default_rng(7).normal(0.35, 1, EXACT_UP_TO + 2)
    exact = _brute_force(values.tolist())
    error = (exact * (1 - exact) / SAMPLED) ** 0.5
    assert 0.01 < exact < 0.5
    assert sign_flip_p(values) == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize("cases", [1, 5, 14, 15, 40])
def test_cases_that_all_agree_get_the_smallest_p(cases):
    assert sign_flip_p(np.full(cases, 0.1)) == pytest.approx(smallest_p(cases))


def test_ties_that_only_rounding_tells_apart_count_as_ties():
    assert sign_flip_p([0.1, 0.2, 0.3, -0.3, -0.2, -0.1]) == 1
    assert sign_flip_p([0.1 + 0.2, -0.3, 0.0]) == 1


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_neither_order_nor_the_roles_of_the_arms_matter(values, random):
    shuffled = [-value for value in random.sample(values, len(values))]
    assert sign_flip_p(values) == sign_flip_p(shuffled)


def test_many_at_once_are_the_single_ones():
    values = np.random.default_rng(1).normal(0.3, 1, (4, 2, 17))
    alone = [[float(sign_flip_p(row)) for row in several] for several in values]
    assert sign_flip_p(values).tolist() == alone


def test_without_an_effect_p_is_below_five_percent_in_five_percent():
    values = np.random.default_rng(2).standard_t(3, (4000, 10))
    assert np.mean(sign_flip_p(values) <= 0.05) == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / 4000) ** 0.5)
