"""Norm statistics that follow the target's unlabelled scans (AdaBN)."""

from torch import Tensor

from seg.config import Section
from seg.transfer._together import move_statistics
from seg.transfer.component import Component, ComponentInfo, Forward, Task
from seg.values import Positive


class BatchNormSettings(Section):
    """Knobs of `batch_norm`."""

    every: Positive = 1
    """Steps between two looks at unlabelled slices; each look costs a forward pass."""


class BatchNorm(Component):
    """A pass over unlabelled slices, without gradients, in which running means and variances move.

    Where the target has no labels, these are the only slices that move them: the mask loss learns from source slices
    normalised by their own batch, predictions normalise target slices by the target's statistics, so each domain meets
    the same weights in the same range. Where it has labels, labelled slices move them in the same measure: both are
    target scans, and the few labelled patients, of whom slices with an organ are drawn more often, say less about whole
    new scans than all patients together. Norms that another component froze stay as they are. It acts at every depth
    and on every pixel alike, so no organ is told to look like another.
    """

    def __init__(self, every: int) -> None:
        """`every` counts steps."""
        self._every = every

    def streams(self) -> tuple[str, ...]:
        """Unlabelled slices of the target."""
        return ("unlabelled",)

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """No term; the statistics move here."""
        if step % self._every == 0:
            move_statistics(forward, "unlabelled")
        return {}


def _make(task: Task, settings: BatchNormSettings) -> BatchNorm:
    return BatchNorm(settings.every)


COMPONENT = ComponentInfo(
    title="Norm statistics of the unlabelled target (AdaBN)",
    level="feature",
    moves="nothing beyond the weights the training starts from",
    learns="means and variances that target scans are normalised by",
    needs=("unlabelled",),
    paper="Li et al. 2016, Revisiting Batch Normalization for Practical Domain Adaptation",
    make=_make,
    settings=BatchNormSettings,
)
