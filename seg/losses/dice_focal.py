"""Dice and focal loss, half and half: for small organs with a hard outline."""

from torch import Tensor

from seg.losses import Loss
from seg.losses._pixels import float32_pixels
from seg.losses.dice_cross_entropy import batch_dice
from seg.losses.focal import focal


def dice_focal(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Soft Dice over the batch plus the pixel-wise focal loss, averaged over organs."""
    with float32_pixels(logits, target, valid) as (kept_logits, kept_target):
        dice: Tensor = batch_dice()(kept_logits, kept_target)
        return dice + focal(logits, target, valid)


LOSS = Loss(
    name="dice_focal",
    title="Dice + focal",
    formula="1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1) + mean(-(1 - q)^2 log q), q = p where t = 1, else 1 - p",
    source="Zhu et al. 2019 (AnatomyNet), the hybrid loss, with the soft Dice of Milletari et al. 2016",
    compute=dice_focal,
)
