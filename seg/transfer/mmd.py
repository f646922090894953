"""Multi-kernel maximum mean discrepancy: source and target features become samples of one distribution."""

import torch
from torch import Tensor

from seg.transfer._alignment import Alignment, AlignmentSettings
from seg.transfer._samples import Samples
from seg.transfer.component import ComponentInfo, Task

_BANDWIDTHS = tuple(2.0**power for power in range(-3, 2))
"""Kernel variances relative to the mean squared distance. Source: TLlib's DAN, alpha = 2^k, k in {-3, ..., 1}."""
_SMALLEST = 1e-6
"""Mean squared distance below which all features count as one; dividing by less gives gradients of rounding errors."""


class MmdSettings(AlignmentSettings):
    """Knobs of `mmd`; the weight is that of TLlib's DAN."""


class Mmd(Alignment):
    """The squared discrepancy, weighted."""

    def term(self, source: Samples, target: Samples, strength: float) -> Tensor:
        """May be a little below 0, as an unbiased estimate of 0 must be at times."""
        return strength * mmd_squared(source, target)


def mmd_squared(source: Samples, target: Samples) -> Tensor:
    """The quadratic unbiased estimate of MMD^2 under the mean of five Gaussian kernels; any two numbers of samples.

    mean k(s, s') + mean k(t, t') - 2 mean k(s, t), where s, s' come from two images, and t, t' too. The biased estimate
    also has k(s, s) = 1 in its sums: its expectation is above 0 where both distributions are equal, and it falls when
    all features shrink together, which is no alignment. Cells of one image are alike beyond what the domain explains,
    as a sample and itself are, so their pairs are left out for the same reason. 0 where a side has no two images.

    Source: Gretton et al. 2012, eq. 3; kernels in a convex combination: Long et al. 2015 (DAN), section 3.1, here with
    equal weights (TLlib sums them, so its values are five times as large).
    """
    kernel = gaussian_kernel(torch.cat([source.vectors, target.vectors]))
    count = len(source.vectors)
    sources, targets = _of_two_images(source), _of_two_images(target)
    within_source = _mean_over(kernel[:count, :count], sources)
    within_target = _mean_over(kernel[count:, count:], targets)
    across = kernel[:count, count:].sum() / max(1, kernel[:count, count:].numel())
    return (within_source + within_target - 2 * across) * (sources.any() & targets.any())


def gaussian_kernel(vectors: Tensor) -> Tensor:
    """(n, n) mean of five Gaussian kernels of the rows, whose widths follow their mean squared distance."""
    distances = squared_distances(vectors)
    pairs = max(1, len(vectors) * (len(vectors) - 1))
    # The scale is a yardstick, not something to learn: its gradient would spread features to make all of them alike.
    mean = (distances.detach().sum() / pairs).clamp(min=_SMALLEST)
    exponents = torch.stack([-distances / (2 * bandwidth * mean) for bandwidth in _BANDWIDTHS])
    return exponents.exp().mean(dim=0)


def squared_distances(vectors: Tensor) -> Tensor:
    """(n, n) squared Euclidean distances of the rows, 0 on the diagonal."""
    # Centred first, or rounding of far-off vectors' norms would drown small distances.
    centred = vectors - vectors.detach().mean(dim=0)
    norms = centred.square().sum(dim=1)
    distances = (norms[:, None] + norms[None, :] - 2 * centred @ centred.T).clamp(min=0)
    return distances * (1 - torch.eye(len(vectors), dtype=vectors.dtype, device=vectors.device))


def _of_two_images(samples: Samples) -> Tensor:
    return samples.images[:, None] != samples.images[None, :]


def _mean_over(kernel: Tensor, chosen: Tensor) -> Tensor:
    return (kernel * chosen).sum() / chosen.sum().clamp(min=1)


def _make(task: Task, settings: MmdSettings) -> Mmd:
    return Mmd("mmd", task, settings)


COMPONENT = ComponentInfo(
    title="Alignment of feature distributions (MK-MMD)",
    level="feature",
    moves="what source features look like, as a distribution",
    learns="features that do not tell the domains apart",
    needs=("source scans",),
    paper="Long et al. 2015, Learning Transferable Features with Deep Adaptation Networks",
    make=_make,
    settings=MmdSettings,
)
