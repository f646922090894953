import math

import pytest

from seg.transfer._rising import RisingSettings, rising_weight


def test_nothing_counts_during_the_warm_up():
    settings = RisingSettings(warm_up=0.2)
    assert rising_weight(settings, 0.199, 1000) == 0.0
    assert rising_weight(settings, 0.2, 1000) > 0


@pytest.mark.parametrize("steps", [300, 1000, 30_000])
def test_the_ramp_follows_the_length_of_the_run(steps):
    settings = RisingSettings(weight=2.0, warm_up=0.1, ramp=0.3)
    half, end = round(0.25 * steps), round(0.4 * steps)
    assert rising_weight(settings, half / steps, steps) == pytest.approx(2 * math.exp(-5 * 0.25), rel=1e-3)
    assert rising_weight(settings, end / steps, steps) == pytest.approx(2.0)
    assert rising_weight(settings, 1.0, steps) == 2.0


@pytest.mark.parametrize("steps", [500, 5000])
def test_a_ramp_in_steps_is_as_long_in_every_run(steps):
    settings = RisingSettings(warm_up=0.1, ramp_steps=100)
    begin = steps // 10
    assert rising_weight(settings, (begin + 50) / steps, steps) == pytest.approx(math.exp(-5 * 0.25))
    assert rising_weight(settings, (begin + 100) / steps, steps) == pytest.approx(1.0)


def test_a_ramp_in_steps_starts_low_even_where_there_is_no_ramp_in_shares():
    settings = RisingSettings(warm_up=0, ramp=0, ramp_steps=100)
    assert rising_weight(settings, 0.0, 1000) == pytest.approx(math.exp(-5))


def test_without_warm_up_and_ramp_all_counts_from_the_first_step():
    assert rising_weight(RisingSettings(warm_up=0, ramp=0), 0.0, 1000) == 1.0
