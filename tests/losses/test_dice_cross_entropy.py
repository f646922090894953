import torch

from seg.losses.dice_cross_entropy import batch_dice, dice_cross_entropy


def test_an_empty_slice_does_not_dominate_the_batch():
    logits = torch.full((2, 1, 32, 32), -9.0)
    target = torch.zeros(2, 1, 32, 32)
    target[0, :, 8:24, 8:24] = 1
    logits[0, :, 8:24, 8:24] = 9.0
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    assert float(dice_cross_entropy(logits, target, valid)) < 0.01


def test_the_dice_term_is_monais_own():
    assert type(batch_dice()).__module__.startswith("monai.losses")
