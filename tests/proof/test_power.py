import numpy as np
import pytest
from scipy import stats

from seg.proof.crossed import crossed
from seg.proof.curves import Measured
from seg.proof.differences import differences
from seg.proof.power import MOST_CASES, POWER, Needed, Spread, detectable, needed, power

USUAL = Spread(0.04, 0.01, 0.03)


def test_one_seed_is_the_power_of_the_paired_t_test():
    found = power(0.5, Spread(1, 0, 0), [10, 20, 34], 1, 0.05)
    degrees = np.array([9, 19, 33])
    expected = stats.nct.sf(stats.t.isf(0.025, degrees), degrees, 0.5 * np.sqrt(degrees + 1))
    assert found == pytest.approx(expected)
    # As tabled for a paired t test, effect 0.5, 5 % two-sided: Cohen, Statistical Power Analysis (1988), table 2.3.5.
    assert found[2] == pytest.approx(0.81, abs=0.01)


@pytest.mark.parametrize("spread", [USUAL, Spread(0.06, 0.0, 0.05), Spread(0.03, 0.02, 0.02)])
def test_it_is_about_the_share_of_simulated_experiments(spread):
    rng = np.random.default_rng(1)
    values = 0.05 + (
        spread.case * rng.standard_normal((4000, 1, 20))
        + spread.seed * rng.standard_normal((4000, 3, 1))
        + spread.rest * rng.standard_normal((4000, 3, 20))
    )
    found = crossed(values)
    share = np.mean((found.p() < 0.05) & (found.mean > 0))
    assert power(0.05, spread, 20, 3, 0.05)[0] == pytest.approx(share, abs=0.05)


def test_too_few_cases_for_the_sign_flips_find_nothing():
    assert power(1.0, Spread(0.01, 0, 0.01), [1, 2, 5, 6], 3, 0.05 / 3).tolist() == [0, 0, 0, 0]
    assert power(1.0, Spread(0.01, 0, 0.01), 7, 3, 0.05 / 3)[0] > 0.99


def test_a_difference_without_any_spread_is_found():
    assert power(0.01, Spread(0, 0, 0), 20, 3, 0.05)[0] == pytest.approx(1)


def test_the_detectable_difference_is_found_nine_times_of_ten_and_a_smaller_one_is_not():
    found = detectable(USUAL, 20, 3, 0.05 / 3)
    assert power(found, USUAL, 20, 3, 0.05 / 3)[0] >= POWER > power(found - 0.0002, USUAL, 20, 3, 0.05 / 3)[0]
    assert 0.05 < found < 0.07


def test_five_cases_can_detect_nothing():
    assert detectable(USUAL, 5, 3, 0.05 / 3) is None


def test_the_needed_cases_are_enough_and_a_tenth_fewer_are_not():
    found = needed(0.03, Spread(0.05, 0.0, 0.03), 3, 0.05 / 3)
    assert found.seeds == 3
    assert power(0.03, Spread(0.05, 0.0, 0.03), found.cases, 3, 0.05 / 3)[0] >= POWER
    assert power(0.03, Spread(0.05, 0.0, 0.03), int(0.9 * found.cases), 3, 0.05 / 3)[0] < POWER


def test_where_seeds_differ_more_seeds_are_asked_for():
    found = needed(0.02, Spread(0.03, 0.02, 0.02), 3, 0.05 / 3)
    assert found.seeds > 3
    assert found.cases <= MOST_CASES


def test_where_nothing_is_enough_that_is_said():
    assert needed(0.001, Spread(0.2, 0.05, 0.1), 3, 0.05) == Needed(0.001, None, 30)
    assert needed(0.001, Spread(0.2, 0.05, 0.1), 40, 0.05) == Needed(0.001, None, 40)


def test_one_seed_knows_nothing_of_more_seeds():
    assert needed(0.001, Spread(0.2, 0.0, 0.0), 1, 0.05) == Needed(0.001, None, 1)


def test_spreads_are_those_that_were_observed_where_there_are_any():
    values = np.random.default_rng(0).normal(0, 0.05, (3, 20))
    observed = differences((Measured("final", values, np.zeros((3, 20))),))[0]
    assert Spread.of(observed) == Spread(observed.case_sd, observed.seed_sd, observed.rest_sd)
    assert Spread.of(differences((Measured("final", np.zeros((3, 1)), np.zeros((3, 1))),))[0]) is None
