import numpy as np
import pytest

from seg.evaluate.metrics.hd95 import METRIC


def test_two_points_are_as_far_apart_as_their_spacing_says(mask_pair):
    one, other = np.zeros((2, 2, 5, 5), dtype=bool)
    one[0, 1, 1] = other[1, 4, 4] = True
    assert METRIC.value(mask_pair(one, other)) == pytest.approx(np.sqrt(2.0**2 + 3.0**2 + 1.5**2))


def test_the_larger_direction_counts_and_not_the_pooled_percentile(mask_pair):
    line, point = np.zeros((2, 1, 1, 101), dtype=bool)
    line[0, 0, :] = point[0, 0, 0] = True
    value = METRIC.value(mask_pair(line, point, (1.0, 1.0, 1.0)))
    assert value == pytest.approx(95.0, abs=1e-4)
    assert METRIC.value(mask_pair(point, line, (1.0, 1.0, 1.0))) == value


def test_five_percent_of_outliers_do_not_count(mask_pair):
    line = np.zeros((1, 1, 100), dtype=bool)
    line[0, 0, :60] = True
    longer = line.copy()
    longer[0, 0, 60:63] = True
    assert METRIC.value(mask_pair(longer, line)) == 0.0
