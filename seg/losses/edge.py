"""For boundary bands: thin, so background must not drown them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seg.losses import Loss
from seg.losses._pixels import float32_pixels
from seg.losses.dice_cross_entropy import batch_dice

RAREST = 0.02
"""A band's pixels weigh at most as if they were this share of all, so that a batch without a band keeps its penalty."""


def edge(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Soft Dice over the batch plus class-balanced cross-entropy, averaged over organs."""
    with float32_pixels(logits, target, valid) as (kept_logits, kept_target):
        dice: Tensor = batch_dice()(kept_logits, kept_target)
        return dice + _balanced_entropy(kept_logits, kept_target, valid)


def _balanced_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    pixels = valid.sum().clamp(min=1)
    share = (target.sum((0, 2, 3), keepdim=True) / pixels).clamp(RAREST, 1 - RAREST)
    weight = torch.where(target > 0.5, 1 - share, share) * valid
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    per_organ = (weight * entropy).sum((0, 2, 3)) / weight.sum((0, 2, 3)).clamp(min=RAREST)
    return per_organ.mean()


LOSS = Loss(
    name="edge",
    title="Dice + balanced cross-entropy",
    formula="Dice + sum(w b) / sum(w), b the cross-entropy of a pixel, s the band's share clipped to 0.02..0.98, "
    "w = 1 - s on the band, s elsewhere",
    source="Xie and Tu 2015 (HED), equation 2, with the Dice term of Deng et al. 2018 (crisp boundaries)",
    compute=edge,
)
