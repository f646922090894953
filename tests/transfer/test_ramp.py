import math

import pytest

from seg.transfer._ramp import ramp_up


def test_the_weight_rises_to_one_over_its_share_of_the_steps_and_stays() -> None:
    values = [ramp_up(step / 100, 0.2) for step in range(100)]
    assert values[0] == pytest.approx(math.exp(-5))
    assert values[10] == pytest.approx(math.exp(-5 * 0.25))
    assert values == sorted(values)
    assert set(values[20:]) == {1.0}


def test_a_share_of_zero_has_the_whole_weight_from_the_start() -> None:
    assert ramp_up(0.0, 0.0) == ramp_up(1.0, 0.0) == 1.0
