import numpy as np
import pytest
import torch

from seg.transfer._samples import band_samples, cell_samples


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("band", [None, "band"])
def test_each_cell_gives_its_mean_image_after_image(band) -> None:
    feature, weights = _random(2, 3, 4, 6), (_random(2, 1, 4, 6, seed=1) > 0.4).float()
    found = cell_samples(feature, 2) if band is None else band_samples(feature, weights, 2)
    expected, images = [], []
    for image in range(2):
        for row in range(2):
            for column in range(2):
                there = np.s_[image, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
                values, weight = feature.numpy()[there], weights.numpy()[there] if band else np.ones((1, 2, 3))
                if weight.sum():
                    expected.append((values * weight).sum((1, 2)) / weight.sum())
                    images.append(image)
    np.testing.assert_allclose(found.vectors.numpy(), expected, rtol=1e-5)
    assert found.images.tolist() == images


def test_cells_and_images_without_a_band_give_no_vector() -> None:
    band = torch.zeros(3, 1, 8, 8)
    band[0, :, :2] = 1
    band[2, :, 7, 7] = 1
    found = band_samples(_random(3, 5, 8, 8), band, 2)
    assert found.images.tolist() == [0, 0, 2]
    assert len(band_samples(_random(3, 5, 8, 8), torch.zeros(3, 1, 8, 8), 2).vectors) == 0


@pytest.mark.parametrize(("side", "cells", "expected"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (2, 4, 2), (1, 4, 1)])
def test_cells_are_as_many_as_divide_the_map_evenly(side, cells, expected) -> None:
    assert len(cell_samples(_random(2, 3, side, side), cells).vectors) == 2 * expected**2


def test_half_precision_becomes_single_and_double_stays() -> None:
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        feature, band = _random(1, 2, 4, 4).to(given), torch.ones(1, 1, 4, 4)
        assert cell_samples(feature, 2).vectors.dtype == expected
        assert band_samples(feature, band, 2).vectors.dtype == expected


def test_gradients_reach_what_was_pooled_and_nothing_else() -> None:
    feature = _random(1, 2, 4, 4).requires_grad_()
    band = torch.zeros(1, 1, 4, 4)
    band[..., 1, 1] = 1
    (gradient,) = torch.autograd.grad(band_samples(feature, band, 1).vectors.sum(), feature)
    assert gradient.nonzero().tolist() == [[0, 0, 1, 1], [0, 1, 1, 1]]
