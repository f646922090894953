import numpy as np
import pytest

from seg.evaluate.metrics.nsd import METRIC


def line_and_point():
    line, point = np.zeros((2, 1, 1, 6), dtype=bool)
    line[0, 0, :] = point[0, 0, 0] = True
    return line, point


def test_surface_voxels_within_the_tolerance_are_counted_in_both_masks(mask_pair):
    assert METRIC.value(mask_pair(*line_and_point(), (1.0, 1.0, 1.0), tolerance_mm=2.0)) == pytest.approx(4 / 7)


def test_a_distance_equal_to_the_tolerance_agrees_whatever_the_rounding(mask_pair):
    assert 5 * 0.6 > 3.0 - 1e-9
    assert METRIC.value(mask_pair(*line_and_point(), (1.0, 1.0, 0.6), tolerance_mm=3.0)) == 1.0
    assert METRIC.value(mask_pair(*line_and_point(), (1.0, 1.0, 0.1), tolerance_mm=0.3)) == pytest.approx(5 / 7)


def test_a_wide_tolerance_forgives_everything_but_an_empty_mask(mask_pair):
    line, point = line_and_point()
    assert METRIC.value(mask_pair(line, point, tolerance_mm=1e6)) == 1.0
    assert METRIC.value(mask_pair(line, np.zeros_like(line), tolerance_mm=1e6)) == 0.0
