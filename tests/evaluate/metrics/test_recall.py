import pytest

from seg.evaluate.metrics.recall import METRIC


def test_two_of_three_reference_voxels_are_found(mask_pair):
    assert METRIC.value(mask_pair([[[1, 1, 1, 1, 0]]], [[[0, 0, 1, 1, 1]]])) == pytest.approx(2 / 3)


def test_nothing_can_be_recalled_from_an_empty_reference(mask_pair):
    assert METRIC.value(mask_pair([[[0, 1]]], [[[0, 0]]])) == 0.0
