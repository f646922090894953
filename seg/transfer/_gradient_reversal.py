"""A layer that passes values on and turns gradients round."""

from typing import Any

import torch
from torch import Tensor


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * gradient, None


def reverse_gradient(values: Tensor, factor: float) -> Tensor:
    """`values` as they are; what comes back through them is multiplied by `-factor`.

    Source: Ganin et al. 2016, eq. 16 and 17.
    """
    reversed_values: Tensor = _GradientReversal.apply(values, factor)
    return reversed_values
