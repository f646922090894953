"""From organ to organ by their edges: the transferred edge head says where an organ ends, the mask has to agree."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seg.config import Section
from seg.errors import UsageError
from seg.models.edges import boundary_band
from seg.models.network import Output, SegNetwork
from seg.models.stages import encoder_stages
from seg.models.weights import WeightReport
from seg.registry import LOSSES
from seg.transfer._anchors import Anchor, anchored, relative_distance
from seg.transfer._ramp import ramp_up
from seg.transfer._soft_band import disagreement, soft_boundary_band
from seg.transfer._transferred import transferred_names
from seg.transfer.component import Component, ComponentInfo, Forward, Task
from seg.values import Fraction, NotNegative

_EdgeLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


class EdgeSettings(Section):
    """Knobs of `edge`."""

    weight: NotNegative = 0.3
    """Weight of the edge loss on the target's labels, added to `loss.edge_weight`: by default 0.6 together."""
    proximity: NotNegative = 30.0
    """Pull of the early stages and the edge head towards the source: a part that moved a tenth of its length costs 0.3.

    At 30 the pull is as strong as the gradient of mask and edge loss where the edge head is 5 % to 10 % of its length
    away, which it otherwise is after 50 steps (ResNet-50, liver to pancreas, `optim.lr` 5e-4). 0 lets everything go.
    """
    stages: Annotated[int, Field(ge=0, le=5)] = 2
    """How many stages after the encoder's stem are held: 0 the stem alone; more than there are holds the whole encoder.

    Two reach an eighth of the image's resolution in most networks, where edges and textures are told apart but no
    organs yet. Source: Yosinski et al. 2014, figure 2: the first two of eight layers move without loss.
    """
    consistency: NotNegative = 0.1
    """Weight of the disagreement between the edge head's band and the band of the predicted mask, from the ramp's end.

    A third of `loss.edge_weight`: it comes on top of labels on some slices and alone on others. Source: 0.1, the
    greatest weight of unlabelled terms in Yu et al. 2019 (UA-MT) and most that followed.
    """
    ramp: Fraction = 0.2
    """Share of the steps over which `consistency` rises; at first both heads agree on the source's organ."""
    unlabelled: bool = True
    """Also ask for agreement on unlabelled slices of the target, where there are any; it needs no labels."""


class Edge(Component):
    """Three terms around the boundary band.

    `edge_boundary`, the edge loss on labelled slices once more, so that the shared layers serve the boundary;
    `edge_proximity`, the early stages and the edge head near their start, as far as they were transferred;
    `edge_consistency`, the same band from both heads, on labelled and unlabelled slices.

    Liver and pancreas have no label in common, but their borders are alike: soft tissue against fat, in the same
    scanner's noise. That is what early stages and the edge head hold, and all that is held here; deep stages, decoder
    and mask head are free, since they say which organ it is. Norm statistics follow the target.

    The source's own edge map on target scans is not distilled: its one channel outlines livers, and the labels tell
    the same channel that a liver's outline is none of a pancreas.

    Agreement costs both heads. Two empty predictions agree as well; what keeps the network from that are the labels,
    so that the weight stays well below theirs. Source: after Kataria and Elhabian 2025 (BoundarySeg), who ask for it on
    labelled scans; band and distance are those of `_soft_band.py`.
    """

    def __init__(self, task: Task, settings: EdgeSettings) -> None:
        """UsageError where the network has no edge head."""
        if not task.settings.model.edge_head:
            raise UsageError(
                found="a network without an edge head", expected="model.edge_head=true, in the source too",
                fix="train the source with model.edge_head=true, or leave edge out", code="no-edge-head",
            )  # fmt: skip
        self._settings = settings
        self._width_px = task.settings.model.edge_width_px
        self._edge_loss: _EdgeLoss = LOSSES.load(task.settings.loss.edge).LOSS.compute
        wished = ("labelled", "unlabelled") if settings.unlabelled and settings.consistency > 0 else ("labelled",)
        self._streams = tuple(stream for stream in wished if task.cases.get(stream))
        self._anchors: list[Anchor] = []

    def streams(self) -> tuple[str, ...]:
        """The target's slices."""
        return self._streams

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Remember where what is held starts; a resume prepares the same start again."""
        if self._settings.proximity == 0:
            return
        names, loaded = transferred_names(start), {row.name for row in start.rows if row.status == "loaded"}
        moved = {parameter for name, parameter in network.named_parameters() if name in names}
        early = encoder_stages(network)[: self._settings.stages + 1]
        parts = {stage.name: [parameter for parameter in stage.parameters if parameter in moved] for stage in early}
        # An edge head that was adapted to other organs has new rows, which are near nothing worth keeping.
        head = [p for name, p in network.named_parameters() if name.startswith("edge_head.") and name in loaded]
        self._anchors = anchored({**parts, "edge head": head})

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`edge_boundary`, `edge_proximity` and `edge_consistency`, as far as each has a weight and a value."""
        # The passes first: they run in the step's precision, sums over many weights and pixels must not.
        outputs = {stream: forward.output(stream) for stream in self._streams}
        with torch.autocast(forward.network.input_mean.device.type, enabled=False):
            terms = {
                "edge_boundary": (self._settings.weight, self._boundary(forward)),
                "edge_proximity": (self._settings.proximity, relative_distance(self._anchors)),
                "edge_consistency": (
                    self._settings.consistency * ramp_up(forward.progress, self._settings.ramp),
                    self._disagreement(list(outputs.values())),
                ),
            }
            return {name: weight * value for name, (weight, value) in terms.items() if weight > 0 and value is not None}

    def _boundary(self, forward: Forward) -> Tensor | None:
        """On the target's labels; where only the source has labels, its own loss teaches the edge head."""
        if "labelled" not in self._streams:
            return None
        batch, edges = forward.batches["labelled"], forward.output("labelled").edges
        return (
            None if edges is None else self._edge_loss(edges, boundary_band(batch.masks, self._width_px), batch.valid)
        )

    def _disagreement(self, outputs: list[Output]) -> Tensor | None:
        found = [
            disagreement(
                soft_boundary_band(output.masks.float().sigmoid(), self._width_px), output.edges.float().sigmoid()
            )
            for output in outputs
            if output.edges is not None
        ]
        return torch.stack(found).mean() if found else None


def _make(task: Task, settings: EdgeSettings) -> Edge:
    return Edge(task, settings)


COMPONENT = ComponentInfo(
    title="Organ edges: a transferred edge head that the mask has to agree with",
    level="feature",
    moves="early encoder stages and the edge head, kept close to the source",
    learns="deep stages, decoder and mask head freely; the boundary band with more weight",
    needs=("labels", "source model"),
    paper="after Kataria and Elhabian 2025, BoundarySeg, with the pull of Li et al. 2018, L2-SP",
    make=_make,
    settings=EdgeSettings,
)
