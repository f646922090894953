"""The source's labelled slices beside the target's: their loss, each slice with a weight of its own."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from seg.config import Section, Settings
from seg.data.dataset import Batch
from seg.errors import UsageError
from seg.losses import LossFunction, load_loss
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.transfer._groups import by_decay
from seg.transfer._source_heads import SourceHeads
from seg.transfer.component import Component, Forward, ParameterGroup, Task
from seg.values import NotNegative

WEIGHTINGS = ("importance", "tradaboost")
"""Components that train on the source's slices with weights that differ."""


class SourceLossSettings(Section):
    """Knobs that all components share which train on the source's slices."""

    weight: NotNegative = 1.0
    """Weight of the source's loss beside the target's at the first step; 1 counts a slice alike wherever it is from."""
    final_weight: NotNegative = 0.1
    """Weight at the last step, reached in a straight line.

    Low, so that the target has the last word; not 0, so that few labels are not learned by heart. An own choice: papers
    keep one weight. Where the target has no labels, the weight is always 1.
    """
    edges: bool = True
    """Also learn the boundary bands of the source's organs, with `loss.edge_weight`.

    Where an organ ends looks alike in many organs; the edge head's hidden layer is shared between them.
    """


class SourceTrained(Component):
    """Trains on the `source` stream; abstract, a child says what a slice weighs.

    Loss of a step = share * mean over the batch's slices of w_i * loss_i, the w_i of all source slices having mean 1.
    How many source slices a step has is `train.source_batch_size`. Running norm statistics are left to the target.

    Source: Shimodaira 2000, Improving predictive inference under covariate shift (the weighted empirical loss).
    """

    def __init__(self, task: Task, settings: SourceLossSettings) -> None:
        """Looks up the losses by name."""
        self._task = task
        self._settings = settings
        self._mask_loss = load_loss(task.settings.loss.mask).compute
        self._edge_loss = load_loss(task.settings.loss.edge).compute
        self._edge_weight = task.settings.loss.edge_weight if settings.edges else 0.0

    def slice_weights(self, batch: Batch) -> Tensor:
        """(slices,) float32 on the CPU, about 1 on average."""
        return torch.ones(len(batch.where))

    def streams(self) -> tuple[str, ...]:
        """Labelled slices of the source."""
        return ("source",)

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Make outputs for the source's organs that the target lacks, as the source's model has them."""
        task = self._task
        self.heads = SourceHeads(network, task.settings.organ, task.source_organs, task.settings.train.seed)
        if task.source is not None and self.heads.others:
            self.heads.start_from(task.source)

    def own_groups(self) -> list[ParameterGroup]:
        """The outputs for the source's organs."""
        return by_decay("source heads", list(self.heads.parameters()), 1.0)

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`source_mask` and, where there is an edge head and it is wanted, `source_edge`."""
        batch, output = forward.batches["source"], forward.output("source")
        masks, edges = self.heads(forward.network, output)
        self.look_at(batch, masks.detach())
        weights = self.share(forward) * self.slice_weights(batch).to(masks.device)
        terms = {"source_mask": (weights * per_slice(self._mask_loss, masks, batch.masks, batch.valid)).mean()}
        if edges is not None and self._edge_weight > 0:
            band = boundary_band(batch.masks, self._task.settings.model.edge_width_px)
            slices = per_slice(self._edge_loss, edges, band, batch.valid)
            terms["source_edge"] = self._edge_weight * (weights * slices).mean()
        return terms

    def look_at(self, batch: Batch, masks: Tensor) -> None:
        """What the network says of the batch at this step; for weights that depend on it."""

    def share(self, forward: Forward) -> float:
        """Weight of the source's loss at this step."""
        if "labelled" not in forward.batches:
            return 1.0
        first, last = self._settings.weight, self._settings.final_weight
        return first + (last - first) * forward.progress

    def state_dict(self) -> dict[str, Tensor]:
        """The outputs for the source's organs."""
        return {f"heads.{name}": tensor for name, tensor in self.heads.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore them."""
        found = {name.removeprefix("heads."): tensor for name, tensor in state.items() if name.startswith("heads.")}
        self.heads.load_state_dict(found)


def per_slice(compute: LossFunction, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """(slices,) float32: a loss of each slice alone."""
    alone = (slice(row, row + 1) for row in range(len(logits)))
    return torch.stack([compute(logits[row], target[row], valid[row]) for row in alone])


def refuse_two_weightings(settings: Settings) -> None:
    """Raise UsageError where two components would weigh, and so twice train on, the same source slices."""
    listed: Sequence[str] = [name for name in WEIGHTINGS if name in settings.components]
    if len(listed) > 1:
        raise UsageError(
            found=f"{' and '.join(listed)} together", expected="one way to weigh the source's slices",
            fix="choose one of the two strategies", code="two-weightings",
        )  # fmt: skip
