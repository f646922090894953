"""Plain supervised training: organ masks and boundary bands of labelled slices."""

from collections.abc import Callable

from torch import Tensor

from seg.config import Settings
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.registry import LOSSES
from seg.transfer._groups import encoder_and_rest
from seg.transfer.component import Component, ComponentInfo, Forward, NoSettings, ParameterGroup, Task

_LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


class Supervised(Component):
    """Mask loss plus weighted edge loss; a pretrained encoder learns more slowly than the rest."""

    def __init__(self, settings: Settings) -> None:
        """Looks up the losses by name."""
        self._settings = settings
        self._mask_loss: _LossFunction = LOSSES.load(settings.loss.mask).LOSS.compute
        self._edge_loss: _LossFunction = LOSSES.load(settings.loss.edge).LOSS.compute

    def streams(self) -> tuple[str, ...]:
        """Labelled slices of the target."""
        return ("labelled",)

    def groups(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup]:
        """Encoder and rest, each with and without weight decay."""
        return encoder_and_rest(network, self._settings.optim.encoder_lr_factor if start.rows else 1.0)

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`mask` and, where the network has an edge head, `edge`."""
        batch, output = forward.batches["labelled"], forward.output("labelled")
        terms = {"mask": self._mask_loss(output.masks, batch.masks, batch.valid)}
        if output.edges is not None and self._settings.loss.edge_weight > 0:
            band = boundary_band(batch.masks, self._settings.model.edge_width_px)
            terms["edge"] = self._settings.loss.edge_weight * self._edge_loss(output.edges, band, batch.valid)
        return terms


def _make(task: Task, settings: NoSettings) -> Supervised:
    return Supervised(task.settings)


COMPONENT = ComponentInfo(
    title="Plain supervised training",
    level="none",
    moves="nothing, or the encoder weights that `model.weights` names",
    learns="everything",
    needs=("labels",),
    paper="Ronneberger et al. 2015, U-Net",
    make=_make,
)
