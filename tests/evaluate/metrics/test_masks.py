import numpy as np
import pytest

from seg.errors import DataError
from seg.evaluate.metrics.masks import MaskPair
from seg.evaluate.score import metrics_by_name


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(DataError, match=r"\(2, 2, 2\).*\(2, 2, 3\)") as caught:
        MaskPair(np.ones((2, 2, 2), bool), np.ones((2, 2, 3), bool), None)
    assert caught.value.code == "mask-shape"


def test_a_picture_without_a_slice_axis_is_refused():
    with pytest.raises(DataError, match="z, y, x"):
        MaskPair(np.ones((2, 2), bool), np.ones((2, 2), bool), None)


def test_sizes_and_emptiness_are_known(mask_pair):
    pair = mask_pair([[[1, 1, 0]]], [[[0, 0, 0]]])
    assert (pair.prediction_voxels, pair.reference_voxels, pair.shared_voxels) == (2, 0, 0)
    assert pair.one_empty
    assert not pair.both_empty
    assert mask_pair([[[0]]], [[[0]]]).both_empty
    assert mask_pair([[[0]]], [[[0]]]).shared_voxels == 0


def test_surfaces_are_measured_once_for_all_metrics(mask_pair, filled):
    pair = mask_pair(filled, np.roll(filled, 1, axis=2))
    assert pair.distances is pair.distances


def test_the_diagonal_reaches_from_corner_to_corner(mask_pair):
    pair = mask_pair(np.zeros((4, 6, 8)), np.zeros((4, 6, 8)))
    assert pair.diagonal == pytest.approx(np.sqrt(8.0**2 + 6.0**2 + 4.0**2))
    lone = mask_pair(np.zeros((4, 6, 8)), np.zeros((4, 6, 8)), contiguous=False)
    assert lone.diagonal == pytest.approx(np.sqrt(6.0**2 + 4.0**2))


@pytest.mark.parametrize(("spacing", "units"), [((1.0, 1.0, 1.0), ["", "mm", "ml"]), (None, ["", "px", "px"])])
def test_units_follow_from_what_is_known_of_the_spacing(mask_pair, spacing, units):
    pair = mask_pair([[[1]]], [[[1]]], spacing)
    metrics = metrics_by_name(["dice", "hd95", "volume_difference"])
    assert [metric.unit(pair.distance_unit) for metric in metrics.values()] == units
