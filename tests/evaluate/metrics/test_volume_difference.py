import pytest

from seg.evaluate.metrics.volume_difference import METRIC


def test_two_voxels_too_many_of_one_microlitre_are_two_thousandths_of_a_millilitre(mask_pair):
    pair = mask_pair([[[1, 1, 1]]], [[[0, 0, 1]]])
    assert METRIC.value(pair) == pytest.approx(2 * 2.0 * 1.0 * 0.5 / 1000)


def test_too_small_is_negative(mask_pair):
    assert METRIC.value(mask_pair([[[0, 0, 1]]], [[[1, 1, 1]]])) < 0


def test_without_a_spacing_voxels_are_counted(mask_pair):
    assert METRIC.value(mask_pair([[[1, 1, 1]]], [[[0, 0, 1]]], None)) == 2.0


def test_lone_slices_of_known_pixel_size_have_no_volume(mask_pair):
    assert METRIC.value(mask_pair([[[1, 1]]], [[[0, 1]]], contiguous=False)) is None
    assert METRIC.value(mask_pair([[[1, 1]]], [[[0, 1]]], None, contiguous=False)) == 1.0


def test_an_empty_prediction_lacks_the_whole_volume(mask_pair):
    assert METRIC.value(mask_pair([[[0, 0]]], [[[1, 1]]], (10.0, 10.0, 10.0))) == -2.0
