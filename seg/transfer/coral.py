"""Correlation alignment: source and target features get alike covariances."""

import torch
from torch import Tensor

from seg.transfer._alignment import Alignment, AlignmentSettings
from seg.transfer._samples import Samples
from seg.transfer.component import ComponentInfo, Task
from seg.values import NotNegative

_SMALLEST = 1e-12
"""Variance below which all features count as one."""


class CoralSettings(AlignmentSettings):
    """Knobs of `coral`."""

    weight: NotNegative = 1.0
    """Weight beside the mask loss, from where the ramp ends."""
    relative: bool = True
    """Measure in units of the features' own mean variance; false takes features as they are.

    The distance grows with the fourth power of the features' scale, so that one network's bottleneck can give a
    hundred times the value of its early maps. Unless it is relative, the weight has to be found anew for each (the
    paper: so that the term ends as large as the loss of the labels), and features that merely shrink make it fall.
    """
    means: bool = False
    """Also align the means, by their mean squared difference; the paper aligns covariances alone."""


class Coral(Alignment):
    """The distance of the covariances, weighted."""

    def __init__(self, task: Task, settings: CoralSettings) -> None:
        """Remembers the knobs."""
        super().__init__("coral", task, settings)
        self._relative, self._means = settings.relative, settings.means

    def term(self, source: Samples, target: Samples, strength: float) -> Tensor:
        """0 where a side has no two samples, since one alone has no covariance."""
        if min(len(source.vectors), len(target.vectors)) < 2:
            return source.vectors.new_zeros(())
        scale = mean_variance(source.vectors, target.vectors).sqrt() if self._relative else 1.0
        pair = source.vectors / scale, target.vectors / scale
        distance = coral_distance(*pair)
        return strength * (distance + mean_distance(*pair) if self._means else distance)


def mean_variance(source: Tensor, target: Tensor) -> Tensor:
    """Mean over channels of the variance of both domains' samples together, above 0.

    To be differentiated: held as a number, it would let features that shrink lower the term at every step anew.
    """
    return torch.cat([source, target]).var(dim=0).mean().clamp(min=_SMALLEST)


def coral_distance(source: Tensor, target: Tensor) -> Tensor:
    """1 / (4 d^2) ||C_S - C_T||_F^2 of (samples, d) vectors.

    Source: Sun and Saenko 2016 (Deep CORAL), eq. 1 to 3. TLlib's loss of that name leaves out the quarter and adds the
    means, so weights do not carry over.
    """
    return (_covariance(source) - _covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def mean_distance(source: Tensor, target: Tensor) -> Tensor:
    """1 / d ||mu_S - mu_T||^2. Source: TLlib's CORAL loss, its term of the means."""
    return (source.mean(dim=0) - target.mean(dim=0)).square().mean()


def _covariance(vectors: Tensor) -> Tensor:
    centred = vectors - vectors.mean(dim=0)
    return centred.T @ centred / (len(vectors) - 1)


def _make(task: Task, settings: CoralSettings) -> Coral:
    return Coral(task, settings)


COMPONENT = ComponentInfo(
    title="Alignment of feature covariances (CORAL)",
    level="feature",
    moves="how source features vary together",
    learns="features with alike covariances in both domains",
    needs=("source scans",),
    paper="Sun and Saenko 2016, Deep CORAL",
    make=_make,
    settings=CoralSettings,
)
