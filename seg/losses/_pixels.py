"""Which pixels count, and in what precision: what every loss does first."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

ABSENT_LOGIT = -1e4
"""So far below zero that sigmoid and softplus are exactly 0 in float32: such a pixel adds nothing to any sum."""


@contextmanager
def float32_pixels(logits: Tensor, target: Tensor, valid: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and target in float32, background with certainty where `valid` is False, with autocast switched off.

    float16 ends at 65504, less than the pixels of one slice, so sums in it overflow.
    """
    with torch.autocast(logits.device.type, enabled=False):
        yield (
            torch.where(valid, logits.float(), ABSENT_LOGIT),
            torch.where(valid, target.float(), 0.0),
        )


def mean_over_valid(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (b, o, y, x) over valid pixels and organs; 0 where nothing is valid."""
    count = valid.sum() * values.shape[1]
    return torch.where(valid, values, 0.0).sum() / count.clamp(min=1)
