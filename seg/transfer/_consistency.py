"""How far apart a student's and a teacher's opinion of the same pixels are; fp32, with a weight for every pixel."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Distance = Literal["mse", "kl", "dice"]


def consistency(name: Distance, logits: Tensor, taught: Tensor, weights: Tensor) -> Tensor:
    """Distance of a student's (b, organ, y, x) logits from taught probabilities; 0 where no pixel has a weight.

    Args:
        name: Which distance.
        logits: The student's.
        taught: The teacher's probabilities, without gradients.
        weights: 0 to 1, (b, organ or 1, y, x).
    """
    with torch.autocast(logits.device.type, enabled=False):
        return _DISTANCES[name](logits.float(), taught.float(), weights.float().expand_as(taught))


def _mse(logits: Tensor, taught: Tensor, weights: Tensor) -> Tensor:
    """Source: Tarvainen & Valpola 2017 (Mean Teacher), section 2: mean squared difference of probabilities."""
    return _mean((logits.sigmoid() - taught) ** 2, weights)


def _kl(logits: Tensor, taught: Tensor, weights: Tensor) -> Tensor:
    """Source: Kullback & Leibler 1951, from teacher to student, for one organ: p log(p/q) + (1-p) log((1-p)/(1-q))."""
    cross = F.binary_cross_entropy_with_logits(logits, taught, reduction="none")
    own = -(torch.xlogy(taught, taught) + torch.xlogy(1 - taught, 1 - taught))
    return _mean(cross - own, weights)


def _dice(logits: Tensor, taught: Tensor, weights: Tensor) -> Tensor:
    """1 - 2 sum(p q) / (sum(p^2) + sum(q^2)) over the batch, averaged over the organs that student or teacher see.

    A small organ counts as much as a large one. For one that neither sees the quotient has no value: it counts as far
    as there is something of it, so that it neither passes for agreement nor turns on and off.
    Source: Milletari et al. 2016 (V-Net), equation 1.
    """
    student = logits.sigmoid()
    both = (weights * student * taught).sum(dim=(0, 2, 3))
    size = (weights * (student**2 + taught**2)).sum(dim=(0, 2, 3))
    organs = (size / (size + _SMOOTH)).sum().detach().clamp_min(1.0)
    return ((size - 2 * both) / (size + _SMOOTH)).sum() / organs


_SMOOTH = 1.0
"""Pixels of an organ that count as half of one."""

_DISTANCES: dict[Distance, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"mse": _mse, "kl": _kl, "dice": _dice}


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1.0)
