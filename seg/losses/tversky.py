"""Dice that minds missed pixels more than false ones."""

from functools import cache

from monai.losses import TverskyLoss
from torch import Tensor

from seg.losses import Loss
from seg.losses._pixels import float32_pixels
from seg.losses.dice_cross_entropy import SMOOTH_PX

FALSE_POSITIVE_WEIGHT = 0.3
"""Source: Salehi et al. 2017, the alpha that goes with the best beta."""
FALSE_NEGATIVE_WEIGHT = 0.7
"""Source: Salehi et al. 2017, Experiments: the best trade-off was beta = 0.7."""


@cache
def batch_tversky() -> TverskyLoss:
    """MONAI's Tversky loss per organ over the whole batch."""
    return TverskyLoss(
        sigmoid=True,
        batch=True,
        alpha=FALSE_POSITIVE_WEIGHT,
        beta=FALSE_NEGATIVE_WEIGHT,
        smooth_nr=SMOOTH_PX,
        smooth_dr=SMOOTH_PX,
    )


def tversky(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Tversky index over the batch, averaged over organs; favours recall."""
    with float32_pixels(logits, target, valid) as (kept_logits, kept_target):
        loss: Tensor = batch_tversky()(kept_logits, kept_target)
        return loss


LOSS = Loss(
    name="tversky",
    title="Tversky",
    formula="1 - (TP + 1) / (TP + 0.3 FP + 0.7 FN + 1), TP = sum(p t), FP = sum(p (1 - t)), FN = sum((1 - p) t)",
    source="Salehi et al. 2017 (Tversky loss function), equation 3",
    compute=tversky,
)
