import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from seg.proof.curves import area, asymptote, at, below, gain, half_way, measure, start
from seg.proof.pairs import Pair

STEPS = np.arange(0.0, 2001.0, 10.0)


def _curve(first, last, time_constant=200.0, steps=STEPS):
    return last - (last - first) * np.exp(-steps / time_constant)


def _pair(arm, baseline, steps=STEPS):
    return Pair(arm[None, :, None], baseline[None, :, None], steps)


def _difference(pair, name):
    return next(float(found.differences.mean()) for found in measure(pair) if found.name == name)


def test_start_and_asymptote_are_the_first_and_the_mean_of_the_last_tenth():
    dice = np.arange(25.0).reshape(25, 1) / 25
    assert start(dice) == pytest.approx(0)
    assert asymptote(dice) == pytest.approx(np.mean([22, 23, 24]) / 25)
    assert asymptote(dice[:10]) == pytest.approx(9 / 25)
    assert asymptote(dice[:4]) == pytest.approx(3 / 25)


def test_the_best_evaluation_is_not_the_asymptote():
    dice = np.array([0.1, 0.9, 0.3, 0.4])[:, None]
    assert asymptote(dice) == 0.4


def test_the_area_is_the_integral_by_the_length():
    exact = quad(lambda step: 0.8 - 0.6 * np.exp(-step / 200), 0, 2000)[0] / 2000
    assert area(_curve(0.2, 0.8)[:, None], STEPS) == pytest.approx(exact, abs=1e-4)
    uneven = np.array([0.0, 1.0, 10.0])
    assert area(np.array([0.0, 1.0, 1.0])[:, None], uneven) == pytest.approx((0.5 + 9) / 10)


def test_half_of_the_way_of_an_exponential_is_where_mathematics_says():
    pair = _pair(_curve(0.1, 0.7), _curve(0.3, 0.7))
    assert half_way(pair) == pytest.approx(200 * np.log(2), rel=0.01)


def test_half_of_the_way_lies_between_evaluations():
    curve = np.array([0.0, 0.2, 0.8, 0.8])
    assert half_way(_pair(curve, curve, np.array([0.0, 10.0, 40.0, 100.0]))) == pytest.approx(10 + 30 / 3)


@pytest.mark.parametrize("curve", [[0.5, 0.6, 0.505], [0.6, 0.5, 0.4], [0.0, 0.0, 0.0]])
def test_a_curve_that_does_not_rise_has_no_slope(curve):
    pair = _pair(np.array(curve), np.array(curve), np.array([0.0, 10.0, 20.0]))
    assert half_way(pair) is None
    slope = measure(pair)[1]
    assert np.isnan(slope.differences).all()
    assert slope.over_steps is None


def test_dice_between_two_evaluations_lies_on_the_line_between_them():
    dice = np.array([[0.0, 1.0], [0.5, 0.0], [0.6, 0.2]])
    steps = np.array([0.0, 10.0, 30.0])
    assert at(dice, steps, 5) == pytest.approx([0.25, 0.5])
    assert at(dice, steps, 30) == pytest.approx([0.6, 0.2])
    assert at(dice, steps, 0) == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("head_start", [-0.1, 0.1, 0.3, 0.55])
def test_a_head_start_alone_is_no_other_slope(head_start):
    pair = _pair(_curve(0.1 + head_start, 0.7), _curve(0.1, 0.7))
    assert _difference(pair, "start") == pytest.approx(head_start)
    assert _difference(pair, "slope") == pytest.approx(0, abs=0.002)
    assert _difference(pair, "asymptote") == pytest.approx(0, abs=0.001)


def test_from_the_same_height_the_slope_is_the_gain_until_half_of_the_way():
    fast, slow = _curve(0.1, 0.7, 100), _curve(0.1, 0.7, 300)
    pair = _pair(fast, slow)
    half = half_way(pair)
    expected = 0.6 * (np.exp(-half / 300) - np.exp(-half / 100))
    assert _difference(pair, "slope") == pytest.approx(expected, abs=0.001)
    assert expected > 0.1
    found = measure(pair)[1]
    assert found.over_steps == pytest.approx(half)
    assert float(found.arm.mean()) == pytest.approx(0.6 * (1 - np.exp(-half / 100)), abs=0.001)


def test_slower_learning_behind_a_head_start_is_seen():
    assert _difference(_pair(_curve(0.4, 0.7, 400), _curve(0.1, 0.7, 200)), "slope") < -0.02


def test_a_single_evaluation_has_a_final_dice_only():
    pair = Pair(np.full((2, 1, 3), 0.7), np.full((2, 1, 3), 0.6), np.array([0.0]))
    found = measure(pair)
    assert [one.name for one in found] == ["final"]
    assert found[0].differences == pytest.approx(np.full((2, 3), 0.1))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_measures_change_sign_with_the_arms_and_follow_the_order_of_cases(seed):
    rng = np.random.default_rng(seed)
    rising = np.linspace(0, 0.5, 6)[None, :, None]
    pair = Pair(*(rising + rng.uniform(0, 0.5, (2, 3, 6, 4))), np.array([0.0, 10, 20, 40, 80, 160]))
    order = rng.permutation(4)
    shuffled = Pair(pair.arm[..., order], pair.baseline[..., order], pair.steps)
    for found, swapped, moved in zip(measure(pair), measure(pair.swapped()), measure(shuffled), strict=True):
        assert swapped.differences == pytest.approx(-found.differences, abs=1e-12)
        assert moved.differences == pytest.approx(found.differences[:, order], abs=1e-12)


def test_measures_of_cases_average_to_the_measure_of_the_mean_curve():
    rng = np.random.default_rng(8)
    dice = np.sort(rng.uniform(0, 1, (2, 3, 7, 5)), axis=2)
    pair = Pair(dice[0], dice[1], np.arange(7.0))
    mean = Pair(dice[0].mean((0, 2))[None, :, None], dice[1].mean((0, 2))[None, :, None], pair.steps)
    for found, of_mean in zip((*measure(pair), below(pair)), (*measure(mean), below(mean)), strict=True):
        assert found.differences.mean() == pytest.approx(of_mean.differences.mean())


def test_the_gains_of_both_arms_average_to_what_was_gained():
    pair = _pair(_curve(0.3, 0.7), _curve(0.1, 0.6))
    half = half_way(pair)
    ours, theirs = gain(pair, half)
    plain = [float((at(dice, STEPS, half) - start(dice)).mean()) for dice in (pair.arm, pair.baseline)]
    assert (ours.mean() + theirs.mean()) / 2 == pytest.approx(np.mean(plain))
