"""What the components that align two domains share: where features are taken, of which scans, and how strongly."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from seg.config import Section
from seg.errors import UsageError
from seg.models.edges import boundary_band
from seg.models.encoders import DPT_MAPS
from seg.models.network import Output, SegNetwork
from seg.models.norms import statistics_held
from seg.transfer._samples import Samples, band_samples, cell_samples
from seg.transfer._together import maps_together, move_statistics
from seg.transfer.component import Component, Forward, Task
from seg.values import AboveZero, NotNegative

Place = Literal["early", "bottleneck", "edge"]
TargetStream = Literal["labelled", "unlabelled"]

_EARLY_MAP = 2
"""Of a pyramid: a quarter of the image's resolution, the first map that CNNs and transformers both have."""


class AlignmentSettings(Section):
    """Knobs of every alignment."""

    weight: NotNegative = 1.0
    """Weight beside the mask loss, from where the ramp ends."""
    ramp: AboveZero | None = 10.0
    """Steepness g of the weight's rise, 2 / (1 + exp(-g p)) - 1 at the share p of the steps; null has no rise.

    In the first steps decoder and heads are new and their gradients are noise, so features that are aligned then are
    aligned for nothing. Source: Ganin et al. 2016, section 5.2.2; Long et al. 2017 (JAN), section 5.1: g = 10.
    """
    at: Literal["auto", "early", "bottleneck", "edge"] = "auto"
    """Which features: `early` (a quarter of the resolution), `bottleneck` (the deepest map), `edge` (what the heads
    read, pooled over the organs' boundary band); auto: bottleneck where both domains show the same organs, else early.

    At a weight of 1 the gradient of mmd and coral is about half the mask loss's at `early` and `bottleneck`, and ten
    times that at `edge`, where 0.05 is a start (measured: liver and pancreas CT, MobileNetV2, 8 slices each).
    """
    cells: Annotated[int, Field(ge=1, le=16)] = 4
    """Cells per side that a map is pooled over, each a sample of its own; at `edge`, those that the band runs through.

    Eight images pooled whole give eight vectors of hundreds of channels, too few to tell two distributions apart: with
    4 x 4 cells the gradient of such a term is a third to a fifth as large, the rest was noise (liver and pancreas CT).
    """
    target: Literal["auto", "labelled", "unlabelled"] = "auto"
    """Which scans stand for the target; auto: the unlabelled ones where they are of more patients than the labelled.

    A domain shows in many patients, not in many slices of a few.
    """


class Alignment(Component):
    """A term that is small where source and target give alike features; abstract.

    It never looks at one organ's features alone. Liver and pancreas have no label in common, so to make their features
    alike would undo what tells them apart (negative transfer: Cao et al. 2018, Partial Adversarial Domain Adaptation).
    What the domains do share is the scanner's noise, contrast and texture, which early maps show; the mixture of all
    tissues, which whole slices show; and what the end of any organ looks like, which the boundary band shows.

    Features that show nothing are alike too. A bottleneck that skip connections can do without loses what it showed
    (phantoms, mmd and coral: over nine tenths of its variance in 80 steps, at the same Dice), and at the edge the mask
    head reads what is made alike, so that there both organs should be learned (`joint`).

    Both domains pass the norms as one batch, without moving running statistics. Where the target has no labels, no
    other term may show it to the network, so a look at its scans alone moves them (as `batch_norm` does, if listed).
    """

    def __init__(self, name: str, task: Task, settings: AlignmentSettings) -> None:
        """`name` names the loss term; UsageError where the wished target scans are not there."""
        self._name = name
        self._weight, self._ramp, self._cells = settings.weight, settings.ramp, settings.cells
        self._place = _place(task, settings)
        self._target = _target(task, settings, name)
        self._edge_width_px = task.settings.model.edge_width_px
        self._moves_statistics = "batch_norm" not in task.settings.components

    def streams(self) -> tuple[str, ...]:
        """The source's scans and the target's."""
        return ("source", self._target)

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """The one term, in float32."""
        if self._moves_statistics and forward.target == "unlabelled":
            move_statistics(forward, "unlabelled")
        # The pass first: it runs in the step's precision, sums over many samples must not.
        with statistics_held(forward.network):
            maps = maps_together(forward, self.streams())
            output = forward.network.read(maps) if self._place == "edge" else None
        with torch.autocast(forward.network.input_mean.device.type, enabled=False):
            source, target = self._samples(forward, maps, output)
            return {self._name: self.term(source, target, self._weight * risen(forward.progress, self._ramp))}

    def term(self, source: Samples, target: Samples, strength: float) -> Tensor:
        """The loss; `strength` is the weight as far as it has risen."""
        raise NotImplementedError

    def channels(self, network: SegNetwork) -> int:
        """Channels of the features that are aligned."""
        if self._place == "edge":
            first = next(module for module in network.mask_head.modules() if isinstance(module, torch.nn.Conv2d))
            return first.in_channels
        widths = cast(Sequence[int], network.encoder.out_channels)
        return widths[_map_number(network, self._place)]

    def _samples(self, forward: Forward, maps: Sequence[Tensor], output: Output | None) -> list[Samples]:
        sizes = [len(forward.batches[stream].images) for stream in self.streams()]
        if output is None:
            chosen = maps[_map_number(forward.network, self._place)]
            return [cell_samples(part, self._cells) for part in torch.split(chosen, sizes)]
        predicted = torch.split(self._predicted_band(output), sizes)
        bands = [
            predicted[number] if stream == "unlabelled" else self._true_band(forward, stream)
            for number, stream in enumerate(self.streams())
        ]
        size = output.decoded.shape[2:]
        return [
            band_samples(part, F.interpolate(band, size, mode="area"), self._cells)
            for part, band in zip(torch.split(output.decoded, sizes), bands, strict=True)
        ]

    def _true_band(self, forward: Forward, stream: str) -> Tensor:
        batch = forward.batches[stream]
        return (boundary_band(batch.masks, self._edge_width_px) * batch.valid).amax(dim=1, keepdim=True)

    def _predicted_band(self, output: Output) -> Tensor:
        if output.edges is not None:
            return (output.edges.detach() > 0).float().amax(dim=1, keepdim=True)
        return boundary_band((output.masks.detach() > 0).float(), self._edge_width_px).amax(dim=1, keepdim=True)


def risen(progress: float, steepness: float | None) -> float:
    """How far a weight has risen, from 0 to 1, at a share of the steps; 1 without a steepness.

    Source: 2 / (1 + exp(-g p)) - 1, Ganin et al. 2016, section 5.2.2.
    """
    return 1.0 if steepness is None else 2 / (1 + math.exp(-steepness * progress)) - 1


def _map_number(network: SegNetwork, place: Place) -> int:
    if network.plain_transformer:
        return 0 if place == "early" else DPT_MAPS - 1
    return _EARLY_MAP if place == "early" else -1


def _place(task: Task, settings: AlignmentSettings) -> Place:
    if settings.at != "auto":
        return settings.at
    return "bottleneck" if task.source_organs == task.settings.organ else "early"


def _target(task: Task, settings: AlignmentSettings, name: str) -> TargetStream:
    patients = {stream: len({case.patient for case in task.cases.get(stream, ())}) for stream in _TARGETS}
    if settings.target == "auto":
        return "unlabelled" if patients["unlabelled"] > patients["labelled"] else "labelled"
    if not patients[settings.target]:
        raise UsageError(
            found=f"{name}.target={settings.target} without {settings.target} scans",
            expected=f"{settings.target} scans of the target", fix=f"use {name}.target=auto", code="missing-need",
        )  # fmt: skip
    return settings.target


_TARGETS: tuple[TargetStream, ...] = ("labelled", "unlabelled")
