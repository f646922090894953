"""Cross-entropy that looks away from what is already easy."""

from functools import cache

from monai.losses import FocalLoss
from torch import Tensor

from seg.losses import Loss
from seg.losses._pixels import float32_pixels, mean_over_valid

GAMMA = 2.0
"""Source: Lin et al. 2017, table 1b, the best focusing exponent."""


@cache
def pixel_focal() -> FocalLoss:
    """MONAI's focal loss of every pixel."""
    return FocalLoss(gamma=GAMMA, reduction="none")


def focal(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Binary focal loss without class weights, averaged over pixels and organs."""
    with float32_pixels(logits, target, valid) as (kept_logits, kept_target):
        return mean_over_valid(pixel_focal()(kept_logits, kept_target), valid)


LOSS = Loss(
    name="focal",
    title="Focal",
    formula="mean(-(1 - q)^2 log q), q = p where t = 1, else 1 - p",
    source="Lin et al. 2017 (Focal loss for dense object detection), equation 4",
    compute=focal,
)
