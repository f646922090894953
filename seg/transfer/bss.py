"""Batch spectral shrinkage: directions in which a batch's features hardly differ are given up."""

import torch
from torch import Tensor

from seg.config import Section
from seg.errors import UsageError
from seg.models.encoders import DPT_MAPS
from seg.models.network import Output, SegNetwork
from seg.transfer.component import Component, ComponentInfo, Forward, Task
from seg.values import NotNegative, Positive


class BssSettings(Section):
    """How much of the spectrum is shrunk."""

    weight: NotNegative = 0.001
    """Weight of the term, eta. Source: Chen et al. 2019, experiments; TLlib's examples."""
    smallest: Positive = 1
    """How many of the smallest singular values are shrunk, k; below `train.batch_size`. Source: as above."""


class Bss(Component):
    """eta * the sum of the squares of the k smallest singular values of the (images, channels) features of a batch.

    Source: Chen et al. 2019, Catastrophic forgetting meets negative transfer, section 4: L_bss.

    The features are the bottleneck's, averaged over each target slice: the counterpart of what the paper's classifier
    reads. Only target slices are looked at, so that organs of the source and the target need not agree.

    There are as many singular values as slices (or channels, where these are fewer). The largest is never shrunk: it is
    the strength of the features themselves. With 2 slices the other one is all that tells the two apart (it is 0 where
    one vector is a multiple of the other), a far stronger wish than the paper's, which has dozens of images in a batch.

    The gradient of s^2 is 2 s u v^T, finite for every s; it needs no difference of singular values, by which that of u
    and v divides. Where singular values are equal, u and v are any pair of the space they share: the sum over all of
    them has one gradient still, the sum over some has several valid ones, of which one is taken.
    """

    def __init__(self, settings: BssSettings) -> None:
        """Without state: a batch is all it needs."""
        self._settings = settings

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`bss`, of the target's slices."""
        output = forward.output(forward.target)
        with torch.autocast(output.decoded.device.type, enabled=False):
            features = _pooled_bottleneck(forward.network, output)
            return {"bss": self._settings.weight * spectral_tail(features, self._settings.smallest)}


def _pooled_bottleneck(network: SegNetwork, output: Output) -> Tensor:
    deepest = output.features[DPT_MAPS - 1 if network.plain_transformer else -1]
    return deepest.float().mean(dim=(2, 3))


def spectral_tail(features: Tensor, smallest: int) -> Tensor:
    """Sum of the squares of the `smallest` last singular values of (images, channels), without the first one.

    Features that are not finite give a result that is not either; the decomposition itself would refuse them.
    """
    if not bool(torch.isfinite(features).all()):
        return features.sum()
    values: Tensor = torch.linalg.svdvals(features)
    return values[1:][-smallest:].square().sum()


def _make(task: Task, settings: BssSettings) -> Bss:
    slices = task.settings.train.batch_size
    if settings.smallest >= slices:
        raise UsageError(
            found=f"bss.smallest={settings.smallest} with train.batch_size={slices}",
            expected="fewer singular values than slices: one of them is the strength of the features",
            fix="raise train.batch_size, lower bss.smallest, or leave bss out", code="bad-value",
        )  # fmt: skip
    return Bss(settings)


COMPONENT = ComponentInfo(
    title="Batch spectral shrinkage",
    level="parameter",
    moves="the source's weights as a start; features of little use on the target are suppressed",
    learns="what the other components say",
    needs=(),
    paper="Chen et al. 2019, Catastrophic forgetting meets negative transfer: batch spectral shrinkage",
    make=_make,
    settings=BssSettings,
)
