"""The source's slices, those that stay hard losing their say."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from seg.data.dataset import Batch
from seg.data.order import SliceOrder
from seg.models.network import SegNetwork
from seg.transfer._slice_weights import SliceWeights
from seg.transfer._source_loss import SourceLossSettings, SourceTrained, refuse_two_weightings
from seg.transfer.component import ComponentInfo, Forward, Task
from seg.values import Fraction, Positive

_DEFAULT_STEPS = 1000
"""What `train.steps=null` means."""

_SMOOTH_PX = 1.0
"""Of the soft Dice, as in the losses: a slice without the organ is right where nothing is predicted."""


class TradaboostSettings(SourceLossSettings):
    """How loud the source is beside the target, and how fast hard slices lose weight."""

    rounds: Positive | None = None
    """N, the boosting rounds of the paper; more rounds mean smaller steps. null: as often as a slice is seen."""
    floor: Fraction = 0.1
    """Weights stay above about this share of their mean, so that a slice that was hard at first can come back.

    The paper's fall towards nothing, as Al-Stouhi & Reddy 2011 describe. The value is an own choice.
    """


class Tradaboost(SourceTrained):
    """Whenever a source slice was seen, its weight is multiplied by beta^error, beta = 1 / (1 + sqrt(2 ln n / N)).

    n is the number of source slices, N that of rounds, and error in [0, 1] is 1 - soft Dice of the slice, mean over the
    source's organs. It is taken from the pass that trains, before the step, on the augmented slice.

    What differs from the paper: one network that goes on learning stands for N classifiers, so there is no vote of the
    later half; a round is a visit of a slice, not a fit to all; errors are graded, not 0 or 1; weights are scaled to
    mean 1, so that source and target keep the shares that `weight` and `final_weight` set; target slices keep weight 1,
    since of few labels the hardest may be the wrong ones. Where source and target have different organs, a hard slice
    is one whose own masks the shared features do not explain.

    Source: Dai et al. 2007, Boosting for transfer learning, algorithm 1.
    """

    def __init__(self, task: Task, settings: TradaboostSettings) -> None:
        """All weights are 1."""
        super().__init__(task, settings)
        self._weights = SliceWeights(task.cases["source"])
        self._floor, self._rounds = settings.floor, settings.rounds
        self._set_rounds(settings.rounds or expected_visits(task, expected_steps(task)))
        self._seen: tuple[tuple[str, ...], Tensor] | None = None

    def _set_rounds(self, rounds: int) -> None:
        self.beta = 1 / (1 + math.sqrt(2 * math.log(len(self._weights.values)) / rounds))

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """As for every source that is trained on; a time budget may have shortened the training since `__init__`."""
        if self._rounds is None and forward.progress > 0:
            self._set_rounds(expected_visits(self._task, step / forward.progress))
        return super().losses(forward, step)

    def slice_weights(self, batch: Batch) -> Tensor:
        """The slices' weights as all steps before left them."""
        return self._weights.of(batch.where)

    def look_at(self, batch: Batch, masks: Tensor) -> None:
        """Note the errors, which count once the step was taken."""
        self._seen = batch.where, slice_errors(masks, batch.masks, batch.valid).cpu()

    def after_step(self, network: SegNetwork, step: int) -> None:
        """Lower the weights of what was hard."""
        if self._seen is None:
            return
        where, errors = self._seen
        self._seen = None
        values = self._weights.values.clone()
        for row, error in zip(self._weights.rows_of(where), errors.double(), strict=True):
            values[row] *= self.beta**error
        self._weights.replace((values / values.mean()).clamp(min=self._floor))

    def readings(self) -> dict[str, float]:
        """As how many source slices the weighted ones count."""
        return {"tradaboost/effective_slices": self._weights.effective_number}

    def state_dict(self) -> dict[str, Tensor]:
        """Outputs and weights."""
        return {**super().state_dict(), "weights": self._weights.values}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore them."""
        super().load_state_dict(state)
        self._weights.values = state["weights"]


@torch.no_grad()
def slice_errors(logits: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
    """(slices,) in [0, 1]: 1 - soft Dice of a slice, mean over organs; pixels that are not valid do not count.

    Source: Milletari et al. 2016 (V-Net), section 3, with plain sums in the denominator as in the training loss.
    """
    with torch.autocast(logits.device.type, enabled=False):
        predicted, wanted = logits.float().sigmoid() * valid, masks.float() * valid
        both = (predicted * wanted).sum((2, 3))
        dice = (2 * both + _SMOOTH_PX) / (predicted.sum((2, 3)) + wanted.sum((2, 3)) + _SMOOTH_PX)
        return 1 - dice.mean(1)


def expected_steps(task: Task) -> float:
    """Steps of the training as the settings say it; a time budget is turned into steps later."""
    train = task.settings.train
    if train.epochs is not None and "labelled" in task.cases:
        target = SliceOrder(task.cases["labelled"], train.seed, train.foreground_fraction)
        return train.epochs * target.epoch_length / train.batch_size
    return train.steps or _DEFAULT_STEPS


def expected_visits(task: Task, steps: float) -> int:
    """How often so many steps see each source slice, on average over an epoch of the source; at least once."""
    train = task.settings.train
    source = SliceOrder(task.cases["source"], train.seed, train.foreground_fraction)
    return max(1, round(steps * (train.source_batch_size or train.batch_size) / source.epoch_length))


def _make(task: Task, settings: TradaboostSettings) -> Tradaboost:
    refuse_two_weightings(task.settings)
    return Tradaboost(task, settings)


COMPONENT = ComponentInfo(
    title="Source that loses its hard slices",
    level="instance",
    moves="the source's labelled slices, the less the longer they stay hard",
    learns="everything, from slices of both domains",
    needs=("source scans",),
    paper="Dai et al. 2007, Boosting for transfer learning (TrAdaBoost)",
    make=_make,
    settings=TradaboostSettings,
)
