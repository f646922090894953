import pytest

from seg.evaluate.metrics.dice import METRIC


def test_two_of_four_and_two_of_three_voxels_make_four_sevenths(mask_pair):
    pair = mask_pair([[[1, 1, 1, 1, 0]]], [[[0, 0, 1, 1, 1]]])
    assert METRIC.value(pair) == pytest.approx(4 / 7)


def test_masks_apart_have_no_overlap(mask_pair):
    assert METRIC.value(mask_pair([[[1, 0]]], [[[0, 1]]])) == 0.0
