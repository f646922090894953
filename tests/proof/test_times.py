import math

import numpy as np
import pytest

from seg.proof.curves import asymptote
from seg.proof.pairs import Pair
from seg.proof.times import first_reached, times

STEPS = np.array([0.0, 100.0, 200.0, 400.0])


def _pair(arm, baseline):
    return Pair(*(np.array(curves)[:, :, None] * np.ones(4) for curves in (arm, baseline)), STEPS)


def test_time_to_a_share_of_the_baselines_end_is_where_straight_lines_reach_it():
    found, later = times(_pair([[0.5, 0.7, 0.8, 0.8]], [[0.0, 0.4, 0.6, 0.8]]))
    assert (found.share, found.dice) == (0.9, pytest.approx(0.72))
    assert found.arm == pytest.approx((120.0,))
    assert found.baseline == pytest.approx((320.0,))
    assert found.ratio == pytest.approx(320 / 120)
    assert later.dice == pytest.approx(0.76)
    assert later.arm_median == pytest.approx(160)


def test_an_exponential_takes_tau_times_the_logarithm():
    steps = np.linspace(0, 3000, 601)
    curve = 0.8 * (1 - np.exp(-steps / 250))
    pair = Pair(curve[None, :, None], curve[None, :, None], steps)
    end = float(asymptote(pair.baseline).mean())
    assert times(pair)[0].arm_median == pytest.approx(-250 * math.log(1 - 0.9 * end / 0.8), rel=1e-3)


def test_a_training_that_never_comes_there_counts_as_longer_than_all_others():
    low, middle, high = [0.0, 0.1, 0.2, 0.3], [0.0, 0.4, 0.6, 0.75], [0.5, 0.8, 0.8, 0.8]
    found = times(_pair([high, low, high], [[0.0, 0.4, 0.6, 0.8]] * 3))[0]
    assert found.arm == pytest.approx((220 / 3, None, 220 / 3))
    assert found.arm_median == pytest.approx(220 / 3)
    found = times(_pair([low, low, middle], [[0.0, 0.4, 0.6, 0.8]] * 3))[0]
    assert (found.arm_median, found.ratio) == (None, None)
    assert found.last_step == 400


def test_of_two_seeds_the_later_one_counts():
    found = times(_pair([[0.0, 0.8, 0.8, 0.8], [0.0, 0.0, 0.8, 0.8]], [[0.0, 0.4, 0.6, 0.8]] * 2))[0]
    assert found.arm_median == max(found.arm)


def test_an_arm_that_is_there_at_once_has_no_ratio_and_a_late_baseline_gives_a_bound():
    assert times(_pair([[0.9, 0.9, 0.9, 0.9]], [[0.0, 0.4, 0.6, 0.8]]))[0].ratio is None
    rising_and_falling = [[0.0, 0.0, 0.0, 0.8], [0.0, 0.0, 0.0, 0.3]]
    found = times(_pair([[0.0, 0.8, 0.8, 0.8]] * 2, rising_and_falling))[0]
    assert found.baseline_median is None
    assert found.ratio == pytest.approx(400 / found.arm_median)


@pytest.mark.parametrize(("goal", "expected"), [(0.0, 10.0), (0.1, 10.0), (0.2, 15.0), (0.5, 30.0), (0.6, math.inf)])
def test_the_first_point_at_a_goal(goal, expected):
    assert first_reached(np.array([0.1, 0.3, 0.5]), np.array([10.0, 20.0, 30.0]), goal) == pytest.approx(expected)
