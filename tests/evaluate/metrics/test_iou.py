import pytest

from seg.evaluate.metrics.dice import METRIC as DICE
from seg.evaluate.metrics.iou import METRIC


def test_two_shared_of_five_voxels_make_two_fifths(mask_pair):
    pair = mask_pair([[[1, 1, 1, 1, 0]]], [[[0, 0, 1, 1, 1]]])
    assert METRIC.value(pair) == pytest.approx(2 / 5)


def test_iou_follows_from_dice(random_pair, mask_pair):
    for seed in range(20):
        pair = mask_pair(*random_pair(seed))
        dice = DICE.value(pair)
        assert METRIC.value(pair) == pytest.approx(dice / (2 - dice))
