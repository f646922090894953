from seg.evaluate.metrics.precision import METRIC


def test_half_of_the_predicted_voxels_are_right(mask_pair):
    assert METRIC.value(mask_pair([[[1, 1, 1, 1, 0]]], [[[0, 0, 1, 1, 1]]])) == 0.5


def test_an_empty_prediction_is_not_precise(mask_pair):
    assert METRIC.value(mask_pair([[[0, 0]]], [[[0, 1]]])) == 0.0
