import math

import numpy as np
import pytest

from seg.errors import DataError
from seg.proof.labels import label_efficiency
from seg.proof.scores import ScoreRow, ScoreTable, joined

SIZES = (2, 4, 8, 16)


def _table(arm, baseline, spread=0.0, cases=10, sizes=SIZES):
    """Final scores only; Dice by size, with the same spread over cases in all."""
    own = spread * np.linspace(-1, 1, cases)
    rows = [
        ScoreRow(name, seed, size, 100, tuple(float(value + deviation + 0.001 * seed) for deviation in own))
        for name, values in (("liver", arm), ("scratch", baseline))
        for size, value in zip(sizes, values, strict=True)
        for seed in range(3)
    ]
    return ScoreTable(tuple(f"{number}" for number in range(cases)), tuple(rows))


def test_an_arm_that_needs_a_quarter_of_the_labels_saves_four_times():
    found = label_efficiency(_table([0.6, 0.7, 0.75, 0.8], [0.5, 0.55, 0.6, 0.7]), "liver", "scratch")
    assert (found.arm, found.baseline) == (pytest.approx(4), pytest.approx(16))
    assert found.ratio == pytest.approx(4)
    assert found.bound == ""
    assert found.dice == pytest.approx(0.701)


def test_between_sizes_the_logarithm_of_the_size_counts():
    found = label_efficiency(_table([0.6, 0.65, 0.75, 0.8], [0.5, 0.55, 0.6, 0.7]), "liver", "scratch")
    assert found.arm == pytest.approx(math.sqrt(4 * 8))


def test_more_labels_are_not_taken_to_make_an_arm_worse():
    found = label_efficiency(_table([0.6, 0.72, 0.5, 0.8], [0.5, 0.55, 0.6, 0.7]), "liver", "scratch")
    assert found.arm < 4


def test_an_arm_that_is_better_with_the_fewest_labels_saves_at_least_so_many():
    found = label_efficiency(_table([0.75, 0.8, 0.8, 0.8], [0.5, 0.55, 0.6, 0.7]), "liver", "scratch")
    assert (found.bound, found.ratio) == ("at least", pytest.approx(8))


def test_an_arm_that_never_comes_there_saves_nothing():
    found = label_efficiency(_table([0.5, 0.5, 0.5, 0.5], [0.5, 0.55, 0.6, 0.7]), "liver", "scratch")
    assert (found.arm, found.ratio, found.bound) == (None, 0, "below 1")


def test_the_interval_widens_with_the_spread_between_cases():
    def width(spread, cases):
        rng = np.random.default_rng(0)
        noise = spread * rng.standard_normal((2, 4, 3, cases))
        means = np.array([[0.6, 0.7, 0.75, 0.8], [0.5, 0.55, 0.6, 0.7]])[:, :, None, None] + noise
        rows = [
            ScoreRow(name, seed, size, 100, tuple(map(float, np.clip(means[arm, place, seed], 0, 1))))
            for arm, name in enumerate(("liver", "scratch")) for place, size in enumerate(SIZES) for seed in range(3)
        ]  # fmt: skip
        found = label_efficiency(ScoreTable(tuple(map(str, range(cases))), tuple(rows)), "liver", "scratch")
        assert found.low < found.ratio < found.high
        return found.high - found.low

    assert width(0.01, 10) < 0.5 * width(0.05, 10)
    assert width(0.05, 40) < 0.8 * width(0.05, 10)


def test_one_size_or_sizes_of_other_seeds_are_refused():
    with pytest.raises(DataError, match="1 sizes"):
        label_efficiency(_table([0.6], [0.5], sizes=(5,)), "liver", "scratch")
    with pytest.raises(DataError, match="0 sizes"):
        label_efficiency(_table([0.6], [0.5], sizes=(5,)), "liver", "imagenet")
    more = ScoreTable(
        tuple(map(str, range(10))), tuple(ScoreRow(arm, 9, 2, 100, (0.5,) * 10) for arm in ("liver", "scratch"))
    )
    with pytest.raises(DataError, match="2 different sets"):
        label_efficiency(joined([_table([0.6, 0.7], [0.5, 0.6], sizes=(2, 4)), more]), "liver", "scratch")
