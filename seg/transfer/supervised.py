"""Plain supervised training: organ masks and boundary bands of labelled slices."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import Parameter

from seg.config import Settings
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.registry import LOSSES
from seg.transfer.component import Component, ComponentInfo, Forward, ParameterGroup

_LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


class Supervised(Component):
    """Mask loss plus weighted edge loss; a pretrained encoder learns more slowly than the rest."""

    def __init__(self, settings: Settings) -> None:
        """Looks up the losses by name."""
        self._settings = settings
        self._mask_loss: _LossFunction = LOSSES.load(settings.loss.mask).LOSS.compute
        self._edge_loss: _LossFunction = LOSSES.load(settings.loss.edge).LOSS.compute

    def prepare(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup]:
        """Encoder and rest, each with and without weight decay."""
        factor = self._settings.optim.encoder_lr_factor if start.rows else 1.0
        rest = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
        return [
            *_by_decay("encoder", list(network.encoder.parameters()), factor),
            *_by_decay("decoder and heads", rest, 1.0),
        ]

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`mask` and, where the network has an edge head, `edge`."""
        batch, output = forward.batches["labelled"], forward.output("labelled")
        terms = {"mask": self._mask_loss(output.masks, batch.masks, batch.valid)}
        if output.edges is not None and self._settings.loss.edge_weight > 0:
            band = boundary_band(batch.masks, self._settings.model.edge_width_px)
            terms["edge"] = self._settings.loss.edge_weight * self._edge_loss(output.edges, band, batch.valid)
        return terms


def _by_decay(name: str, parameters: list[Parameter], factor: float) -> list[ParameterGroup]:
    # Vectors are biases and norm weights; decaying them only hurts.
    matrices = [p for p in parameters if p.ndim > 1 and p.requires_grad]
    vectors = [p for p in parameters if p.ndim <= 1 and p.requires_grad]
    groups = [ParameterGroup(name, matrices, factor), ParameterGroup(f"{name}, no decay", vectors, factor, False)]
    return [group for group in groups if group.parameters]


COMPONENT = ComponentInfo(
    title="Plain supervised training",
    level="none",
    moves="nothing, or the encoder weights that `model.weights` names",
    learns="everything",
    needs=("labels",),
    paper="Ronneberger et al. 2015, U-Net",
    make=Supervised,
    settings={},
)
