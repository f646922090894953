import numpy as np
import pytest

from seg.evaluate.metrics.assd import METRIC


def test_distances_of_both_directions_are_pooled(mask_pair):
    line, point = np.zeros((2, 1, 1, 4), dtype=bool)
    line[0, 0, :] = point[0, 0, 0] = True
    # 0, 1, 2, 3 from the line and 0 from the point: one mean over five, not the mean of 1.5 and 0.
    assert METRIC.value(mask_pair(line, point, (1.0, 1.0, 1.0))) == pytest.approx(6 / 5)
