"""The optimiser, and the learning rate at every step."""

import math
from collections.abc import Sequence

import torch

from seg.config import Optim
from seg.transfer.component import ParameterGroup


def make_optimizer(groups: Sequence[ParameterGroup], settings: Optim) -> torch.optim.AdamW:
    """AdamW over the groups; each keeps its share of the learning rate as `lr_factor`.

    Source: Loshchilov & Hutter 2019, decoupled weight decay.
    """
    options = [
        {
            "params": list(group.parameters),
            "lr": settings.lr * group.lr_factor,
            "lr_factor": group.lr_factor,
            "weight_decay": settings.weight_decay if group.weight_decay else 0.0,
        }
        for group in groups
    ]
    return torch.optim.AdamW(options, lr=settings.lr, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, settings: Optim, step: int, total_steps: int) -> float:
    """Set the learning rate of a step on every group and return the one of factor 1."""
    rate = settings.lr * relative_rate(settings, step, total_steps)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
    return rate


def relative_rate(settings: Optim, step: int, total_steps: int) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then the schedule.

    Source: cosine without restarts, Loshchilov & Hutter 2017 eq. 5; poly with power 0.9, Chen et al. 2018 (DeepLab).
    """
    warmup = round(settings.warmup * total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, total_steps - warmup)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return float((1 - progress) ** 0.9) if settings.schedule == "poly" else 1.0
