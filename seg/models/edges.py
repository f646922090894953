"""Where an organ ends: the boundary band the edge head learns."""

import torch
from torch import Tensor
from torch.nn import functional as F


def boundary_band(masks: Tensor, width_px: int) -> Tensor:
    """1 within `width_px` of an organ's contour, inside and outside, 0 elsewhere.

    Args:
        masks: (batch, organs, y, x) in {0, 1}, floating or bool.
        width_px: How far the band reaches to each side of the contour, counted in pixels along rows, columns and
            diagonals alike (Chebyshev distance), so the band is twice as wide.

    Returns:
        (batch, organs, y, x) in {0, 1}, in the dtype of `masks` (float32 for bool). The image's border is no contour:
        an organ cut off by it has no band there.
    """
    organ = masks if masks.is_floating_point() else masks.float()
    # Both sides grow in one call; padding with "not there" on both sides is what keeps the image border silent.
    inside, outside = _grow(torch.cat([organ, 1 - organ], dim=1), width_px).chunk(2, dim=1)
    return inside * outside


def _grow(masks: Tensor, width_px: int) -> Tensor:
    side = 2 * width_px + 1
    rows = F.max_pool2d(masks, (side, 1), stride=1, padding=(width_px, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, width_px))
