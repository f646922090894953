"""Batch norms that normalise by the whole batch, of which this process has only some rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Exchange(Protocol):
    """What a norm asks of the other processes."""

    count: int
    group: Any

    def rows(self, own: Tensor) -> Tensor:
        """The rows of all processes."""
        ...

    def total(self, own: Tensor) -> Tensor:
        """Sum over the processes."""
        ...


class WholeBatchNorms(TorchFunctionMode):
    """While it is entered, every norm in training mode, of whatever class, normalises by the batch of all processes.

    The modules stay what they are: names of tensors, averaged copies and evaluation know nothing of it. Running
    statistics become those of one process, the variance unbiased over the whole batch.
    """

    def __init__(self, exchange: Exchange) -> None:
        """Every process has to enter and to pass the same norms in the same order."""
        super().__init__()
        self._exchange = exchange

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Takes the place of `F.batch_norm` where that would look at the batch."""
        if func is F.batch_norm and (args[5] if len(args) > 5 else (kwargs or {}).get("training")):
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _batch_norm(
        self, values: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
        bias: Tensor | None = None, training: bool = True, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        if values.is_cuda:
            return _on_gpu(values, running_mean, running_var, weight, bias, momentum, eps, self._exchange)  # gpu-only
        normalised, mean, variance, number = _Normalised.apply(values, weight, bias, eps, self._exchange)
        if running_mean is not None and running_var is not None and momentum > 0:
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * number / (number - 1)).to(running_var), momentum)
        result: Tensor = normalised
        return result


def _on_gpu(
    values: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, momentum: float, eps: float, exchange: Exchange,
) -> Tensor:  # fmt: skip
    """What torch has for GPUs, whose kernels do the same in fewer passes over memory."""
    from torch.nn.modules._functions import SyncBatchNorm  # gpu-only

    found: Tensor = SyncBatchNorm.apply(  # gpu-only
        values, weight, bias, running_mean, running_var, eps, momentum, exchange.group, exchange.count
    )
    return found  # gpu-only


class _Normalised(torch.autograd.Function):
    """Source: Ioffe & Szegedy 2015, algorithm 1 and the gradients of section 3, sums taken over all processes.

    Means and variances are joined by Chan et al. 1979, Updating formulae, eq. 2.1: sums of squares would lose digits.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, exchange: Exchange
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        precise = values.to(torch.promote_types(values.dtype, torch.float32))
        mean, variance, number = _joined_moments(precise, exchange)
        scale = torch.rsqrt(variance + eps)
        ctx.exchange, ctx.has_bias = exchange, bias is not None
        ctx.save_for_backward(values, weight, mean, scale, number)
        ctx.mark_non_differentiable(mean, variance, number)
        normalised = F.batch_norm(precise, mean, variance, weight, bias, training=False, eps=eps)
        return normalised.to(values.dtype), mean, variance, number

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor, *_: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None, None]:
        values, weight, mean, scale, number = ctx.saved_tensors
        precise = torch.promote_types(values.dtype, torch.float32)
        gradient, values, axes = gradient.to(precise), values.to(precise), _all_but_channels(values)
        centred = values - _along_channels(mean, values)
        own = torch.stack([gradient.sum(axes), (gradient * centred).sum(axes) * scale])
        shift, stretch = ctx.exchange.total(own.clone()) / number
        factor = scale if weight is None else scale * weight
        rest = _along_channels(shift, values) + centred * _along_channels(stretch * scale, values)
        back = (gradient - rest) * _along_channels(factor, values)
        weight_gradient = None if weight is None else own[1].to(weight)
        bias_gradient = own[0].to(mean) if ctx.has_bias else None
        return back.to(ctx.saved_tensors[0].dtype), weight_gradient, bias_gradient, None, None


def _joined_moments(values: Tensor, exchange: Exchange) -> tuple[Tensor, Tensor, Tensor]:
    """Per channel mean and biased variance over all processes, and from how many values."""
    variance, mean = torch.var_mean(values, _all_but_channels(values), correction=0)
    number = values.numel() // values.shape[1]
    moments = exchange.rows(torch.stack([mean, variance])[None])
    means, variances = moments[:, 0], moments[:, 1]
    whole_mean = means.mean(0)
    # All processes have as many values, so that means of means are means.
    whole_variance = (variances + (means - whole_mean).square()).mean(0)
    return whole_mean, whole_variance, mean.new_tensor(number * len(moments))


def _all_but_channels(values: Tensor) -> list[int]:
    return [axis for axis in range(values.dim()) if axis != 1]


def _along_channels(per_channel: Tensor, values: Tensor) -> Tensor:
    return per_channel.reshape(1, -1, *([1] * (values.dim() - 2)))
