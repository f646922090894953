import torch

from seg.losses.dice_cross_entropy import dice_cross_entropy
from seg.losses.edge import edge


def thin_band(pixels: int) -> torch.Tensor:
    band = torch.zeros(1, 1, 64, 64)
    band[..., 32, :pixels] = 1
    return band


def test_a_thin_band_pulls_harder_than_it_would_among_all_pixels():
    target = thin_band(64)
    valid = torch.ones(1, 1, 64, 64, dtype=torch.bool)

    def share_of_the_band(loss):
        logits = torch.zeros(1, 1, 64, 64, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(logits, target, valid), logits)
        on_band = gradient[target > 0].abs().sum()
        return float(on_band / gradient.abs().sum())

    assert share_of_the_band(edge) > 5 * share_of_the_band(dice_cross_entropy)


def test_a_batch_without_a_band_still_punishes_false_edges():
    valid = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    quiet, loud = torch.full((1, 1, 64, 64), -8.0), torch.full((1, 1, 64, 64), 2.0)
    assert float(edge(quiet, thin_band(0), valid)) + 1 < float(edge(loud, thin_band(0), valid))
