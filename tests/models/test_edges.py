import numpy as np
import pytest
import torch
from scipy import ndimage

from seg.models.edges import boundary_band


def band_by_distance(mask: np.ndarray, width_px: int) -> np.ndarray:
    """Independent: chessboard distance of every pixel to the other side."""
    if mask.all() or not mask.any():
        return np.zeros_like(mask)
    inward = ndimage.distance_transform_cdt(mask, metric="chessboard")
    outward = ndimage.distance_transform_cdt(~mask, metric="chessboard")
    return ((mask & (inward <= width_px)) | (~mask & (outward <= width_px))).astype(bool)


@pytest.mark.parametrize("width_px", [1, 2, 5])
def test_the_band_is_the_pixels_within_the_width_on_both_sides(width_px):
    random = np.random.default_rng(width_px)
    smooth = ndimage.gaussian_filter(random.normal(size=(4, 3, 40, 56)), (0, 0, 3, 3))
    masks = smooth > 0
    # Distance maps end at the image, as the band must: pad by repeating, so nothing outside counts as another side.
    expected = np.stack([[band_by_distance(mask, width_px) for mask in case] for case in masks])
    found = boundary_band(torch.from_numpy(masks).float(), width_px)
    assert np.array_equal(found.numpy().astype(bool), expected)


def test_a_straight_contour_gets_a_band_of_twice_the_width():
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 16:] = 1
    band = boundary_band(mask, 2)
    assert band[0, 0, 8].nonzero().flatten().tolist() == [14, 15, 16, 17]


def test_the_images_border_is_no_contour():
    assert boundary_band(torch.ones(2, 1, 32, 32), 3).sum() == 0
    assert boundary_band(torch.zeros(2, 1, 32, 32), 3).sum() == 0
    cut_off = torch.zeros(1, 1, 32, 32)
    cut_off[..., :10, :10] = 1
    assert boundary_band(cut_off, 1)[0, 0, 0].nonzero().flatten().tolist() == [9, 10]


def test_organs_do_not_touch_each_others_bands():
    masks = torch.zeros(1, 2, 32, 32)
    masks[:, 0, 8:16, 8:16] = 1
    masks[:, 1, 20:28, 20:28] = 1
    both = boundary_band(masks, 2)
    assert torch.equal(both[:, :1], boundary_band(masks[:, :1], 2))
    assert torch.equal(both[:, 1:], boundary_band(masks[:, 1:], 2))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32, torch.bfloat16])
def test_every_type_of_mask_gives_zeros_and_ones(dtype):
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 8:20] = 1
    band = boundary_band(mask.to(dtype), 1)
    assert band.is_floating_point()
    assert torch.equal(band.float(), boundary_band(mask, 1))
    assert set(band.unique().tolist()) == {0.0, 1.0}
