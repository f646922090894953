"""Dice and binary cross-entropy, half and half: the default."""

from functools import cache

from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional as F

from seg.losses import Loss
from seg.losses._pixels import float32_pixels, mean_over_valid

SMOOTH_PX = 1.0
"""Added to numerator and denominator: one pixel in a batch of some hundred thousand, and no division by zero."""


@cache
def batch_dice() -> DiceLoss:
    """MONAI's soft Dice per organ over the whole batch, so that slices without the organ do not dominate."""
    return DiceLoss(sigmoid=True, batch=True, smooth_nr=SMOOTH_PX, smooth_dr=SMOOTH_PX)


def dice_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Soft Dice over the batch plus pixel-wise binary cross-entropy, averaged over organs; organs may overlap."""
    with float32_pixels(logits, target, valid) as (kept_logits, kept_target):
        dice: Tensor = batch_dice()(kept_logits, kept_target)
        entropy = F.binary_cross_entropy_with_logits(kept_logits, kept_target, reduction="none")
        return dice + mean_over_valid(entropy, valid)


LOSS = Loss(
    name="dice_cross_entropy",
    title="Dice + cross-entropy",
    formula="1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1) + mean(-t log p - (1 - t) log(1 - p))",
    source="Milletari et al. 2016 (V-Net), section 3; Isensee et al. 2021 (nnU-Net), Methods",
    compute=dice_cross_entropy,
)
