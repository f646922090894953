import torch

from seg.losses.tversky import tversky


def test_a_missed_pixel_costs_more_than_a_false_one():
    target = torch.zeros(1, 1, 32, 32)
    target[..., 8:24, 8:24] = 1
    too_small, too_large = torch.full_like(target, -20.0), torch.full_like(target, -20.0)
    too_small[..., 8:24, 8:20] = 20.0
    too_large[..., 8:24, 8:28] = 20.0
    valid = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    assert float(tversky(too_small, target, valid)) > 1.5 * float(tversky(too_large, target, valid))
