import numpy as np
import pytest
import torch

from seg.models.edges import boundary_band
from seg.transfer._soft_band import disagreement, soft_boundary_band


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("width_px", [1, 2, 3])
def test_certain_masks_have_the_band_that_the_edge_head_learns(width_px: int) -> None:
    masks = torch.nn.functional.interpolate((_random(3, 2, 6, 6) > 0.5).float(), size=(24, 24))
    band = boundary_band(masks, width_px)
    assert 0 < float(band.mean()) < 1
    assert torch.equal(soft_boundary_band(masks, width_px), band)


def test_the_soft_band_is_greatest_minus_smallest_probability_of_the_square() -> None:
    probabilities, width = _random(1, 1, 7, 9), 2
    values, found = probabilities[0, 0].numpy(), soft_boundary_band(probabilities, width)[0, 0]
    for y in range(7):
        for x in range(9):
            square = values[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
            assert float(found[y, x]) == pytest.approx(float(square.max() - square.min()))


def test_a_mask_that_is_evenly_unsure_has_no_band() -> None:
    assert float(soft_boundary_band(torch.full((1, 1, 8, 8), 0.5), 2).abs().max()) == 0


def test_disagreement_is_the_relative_squared_difference_per_organ() -> None:
    one, other = _random(2, 3, 5, 5), _random(2, 3, 5, 5, seed=1)
    a, b = one.double().numpy(), other.double().numpy()
    expected = np.mean(
        [1 - (2 * (a[:, o] * b[:, o]).sum() + 1) / ((a[:, o] ** 2).sum() + (b[:, o] ** 2).sum() + 1) for o in range(3)]
    )
    assert float(disagreement(one, other)) == pytest.approx(expected, rel=1e-5)
    assert float(disagreement(other, one)) == pytest.approx(expected, rel=1e-5)


def test_uncertain_bands_that_are_equal_agree_and_so_do_empty_ones() -> None:
    band = _random(2, 1, 5, 5)
    assert float(disagreement(band, band.clone())) == 0
    assert float(disagreement(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))) == 0


def test_an_outline_where_the_edge_head_wants_none_is_smoothed_away_by_descent() -> None:
    logits = torch.where(torch.arange(16) < 8, 2.0, -2.0).expand(1, 1, 16, 16).clone().requires_grad_()
    before = disagreement(soft_boundary_band(logits.sigmoid(), 1), torch.zeros(1, 1, 16, 16))
    (gradient,) = torch.autograd.grad(before, logits)
    after = disagreement(soft_boundary_band((logits - 5 * gradient).sigmoid(), 1), torch.zeros(1, 1, 16, 16))
    assert float(after.detach()) < float(before.detach())
