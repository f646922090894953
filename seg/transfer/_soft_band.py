"""The boundary band of a mask that is not certain yet, and how far two bands disagree."""

from torch import Tensor
from torch.nn import functional as F

SMOOTH_PX = 1.0
"""One pixel in the denominator, as in the mask loss: two empty bands agree, and nothing is divided by zero."""


def soft_boundary_band(probabilities: Tensor, width_px: int) -> Tensor:
    """Greatest minus smallest probability within `width_px` of a pixel: the morphological gradient.

    Equal to `boundary_band` where probabilities are 0 or 1, and differentiable; 0 where a mask is evenly unsure, which
    is no contour. Pixels beyond the image's border count for neither.
    Source: Rivest et al. 1993 (Morphological gradients), with a square of 2 width_px + 1 pixels.

    Args:
        probabilities: (batch, organs, y, x) in [0, 1].
        width_px: How far the band reaches to each side of the contour (Chebyshev distance).
    """
    return _greatest(probabilities, width_px) + _greatest(-probabilities, width_px)


def _greatest(values: Tensor, width_px: int) -> Tensor:
    side = 2 * width_px + 1
    rows = F.max_pool2d(values, (side, 1), stride=1, padding=(width_px, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, width_px))


def disagreement(one: Tensor, other: Tensor) -> Tensor:
    """||a - b||^2 / (||a||^2 + ||b||^2 + 1) per organ over the batch, averaged over organs; in [0, 1].

    1 minus the Dice coefficient with squares: unlike a mean over pixels it does not sink with the share of the thin
    band, and unlike the Dice without squares it is 0 where, and only where, both bands are the same, certain or not.
    Source: Milletari et al. 2016 (V-Net), section 3, the denominator smoothed by one pixel.
    """
    axes = (0, 2, 3)
    sizes = one.square().sum(axes) + other.square().sum(axes)
    return ((one - other).square().sum(axes) / (sizes + SMOOTH_PX)).mean()
