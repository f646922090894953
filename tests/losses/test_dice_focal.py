import torch

from seg.losses.dice_focal import dice_focal
from seg.losses.focal import focal


def test_the_overlap_comes_on_top_of_the_focal_loss():
    target = torch.zeros(1, 1, 16, 16)
    target[..., 4:12, 4:12] = 1
    missed = torch.full_like(target, -8.0)
    valid = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    overlap = float(dice_focal(missed, target, valid) - focal(missed, target, valid))
    assert 0.95 < overlap < 1.0
