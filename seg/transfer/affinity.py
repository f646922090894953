"""Relation transfer: what is alike for the source model stays alike for the target model."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from seg.config import Section
from seg.errors import UsageError
from seg.models.network import SegNetwork
from seg.models.norms import statistics_held
from seg.models.weights import WeightReport
from seg.transfer._ramp import ramp_up
from seg.transfer._relations import (
    case_similarities,
    common_grid,
    deepest,
    mean_squared_difference,
    region_affinities,
)
from seg.transfer._source_norms import normalise_alike
from seg.transfer._transferred import transferred_names
from seg.transfer.component import Component, ComponentInfo, Forward, Task
from seg.values import Fraction, NotNegative

Level = Literal["encoder", "decoder"]
Pair = tuple[Tensor, Tensor]
Relation = Callable[[Tensor, tuple[int, int]], Tensor]


class AffinitySettings(Section):
    """Knobs of `affinity`."""

    regions: NotNegative = 1.0
    """Weight of the relations between the regions of a slice.

    From liver to pancreas, at 1 their gradient at the deepest map is one to four times that of the other losses
    (ResNet-50, first 50 steps, without the pull). Liu et al. 2019 take 10, but for a teacher of the same task, whose
    relations are the wanted ones.
    """
    cases: NotNegative = 1.0
    """Weight of the relations between the slices of a batch, at the deepest map.

    Alike in size to those of regions, with a third of their gradient. Tung and Mori 2019 have no scale to take over:
    their 3000 belongs to batches of hundreds of classified pictures.
    """
    level: Literal["encoder", "decoder", "both"] = "encoder"
    """Where regions are compared: the encoder's deepest map, what the heads read, or both.

    What the heads read is made to tell the source's organ from all the rest, and pancreas and stomach alike are that
    rest; the deepest map says which tissues there are. So `decoder` is for a source of the same or a similar task.
    """
    cells: Annotated[int, Field(ge=2, le=32)] = 8
    """Cells per side that a map is pooled to, as far as it has so many: the deepest map of 256 pixels has 8."""
    ramp: Fraction = 0.0
    """Share of the steps over which both weights rise; 0 has them whole from the start.

    Where the target's network starts as the source's, the terms are 0 then and guard the relations against the
    noise from new heads; raise it where the network starts from something else.
    """
    unlabelled: bool = True
    """Also compare on unlabelled slices of the target, where there are any: relations need no labels."""
    source: bool = False
    """Also compare on slices of the source's scans, where another component trains on them."""


class Affinity(Component):
    """Mean squared difference of the relations in the frozen source network and in the learning one.

    Applied to target slices, at the deepest map: that two regions, or two slices, show the same tissue holds whichever
    organ is asked for, so nothing pulls the pancreas towards the liver. The features themselves may move freely, turned
    or scaled; only what is alike stays alike. Widths and depths of the two networks may differ.

    Norms of the source network take the batch's statistics where those of the learning one do, without keeping them:
    with its own, from other scans or photographs, the same weights would give other relations, and the term would pull
    before anything was learned. Where the two have unequal numbers of norms, the source keeps its own.

    Without a model that segments, such as with a file of ImageNet weights, a frozen copy of the starting network is the
    source; what the heads read is then compared only where the file had a decoder too, since relations of random
    weights are worth nothing.
    """

    def __init__(self, task: Task, settings: AffinitySettings) -> None:
        """UsageError where there are no slices to compare on, or none that the network reads."""
        _refuse_made_features(task)
        self._task, self._settings = task, settings
        self._streams = _streams(task, settings)
        self._source: SegNetwork | None = None
        self._levels: tuple[Level, ...] = ("encoder", "decoder") if settings.level == "both" else (settings.level,)

    def streams(self) -> tuple[str, ...]:
        """The target's slices, and the source's where that is wished."""
        return self._streams

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Load the source network, or copy the starting one, to where the learning one is.

        Raises UsageError where it reads other channels, or has nothing at the wished level.
        """
        if self._task.source is None:
            source = deepcopy(network)
            self._levels = _levels_of_start(self._levels, start)
        else:
            source = self._task.source.load()
            _refuse_other_channels(source, network)
        layout = torch.channels_last if self._task.settings.train.channels_last else torch.contiguous_format
        device = network.input_mean.device
        self._source = source.to(device).to(memory_format=layout).eval().requires_grad_(False)

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`affinity_regions` and `affinity_cases`, as far as they have a weight, in float32."""
        # The passes first: they run in the step's precision, relations must not.
        pairs = [self._pairs(forward, stream) for stream in self._streams]
        wishes = {
            "affinity_regions": (self._settings.regions, region_affinities, self._levels),
            "affinity_cases": (self._settings.cases, case_similarities, ("encoder",)),
        }
        rise = ramp_up(forward.progress, self._settings.ramp)
        with torch.autocast(forward.network.input_mean.device.type, enabled=False):
            return {
                name: weight * rise * self._distance(relation, [maps[level] for maps in pairs for level in levels])
                for name, (weight, relation, levels) in wishes.items()
                if weight > 0
            }

    def _pairs(self, forward: Forward, stream: str) -> dict[Level, Pair]:
        """Per level the maps of the source network and of the learning one."""
        output, source = forward.output(stream), self._source
        if source is None:
            raise RuntimeError("prepare was not called")
        normalise_alike(source, forward.network)
        with torch.no_grad(), statistics_held(source):
            features = forward.encoded(source, forward.batches[stream].images)
            pairs: dict[Level, Pair] = {
                "encoder": (deepest(source, features), deepest(forward.network, output.features))
            }
            if "decoder" in self._levels:
                pairs["decoder"] = (source.decode(list(features)), output.decoded)
        return pairs

    def _distance(self, relation: Relation, pairs: Sequence[Pair]) -> Tensor:
        found = []
        for theirs, ours in pairs:
            grid = common_grid(theirs, ours, self._settings.cells)
            found.append(mean_squared_difference(relation(theirs.float(), grid), relation(ours.float(), grid)))
        return torch.stack(found).mean()


def _streams(task: Task, settings: AffinitySettings) -> tuple[str, ...]:
    wished = {"labelled": True, "unlabelled": settings.unlabelled, "source": settings.source}
    streams = tuple(stream for stream, yes in wished.items() if yes and task.cases.get(stream))
    if not streams:
        raise UsageError(
            found="no slices that affinity may compare on", expected="target scans, or affinity.source=true",
            fix="set affinity.unlabelled=true or affinity.source=true, or leave affinity out", code="missing-need",
        )  # fmt: skip
    return streams


def _levels_of_start(levels: tuple[Level, ...], start: WeightReport) -> tuple[Level, ...]:
    """Without the decoder where that did not come with the weights; UsageError where it alone was wished."""
    if any(name.startswith("decoder.") for name in transferred_names(start)):
        return levels
    if "encoder" not in levels:
        raise UsageError(
            found="affinity.level=decoder with a source that has no decoder", expected="a decoder that learned",
            fix="use affinity.level=encoder, or a run as source: --from liver", code="missing-need",
        )  # fmt: skip
    return ("encoder",)


def _refuse_made_features(task: Task) -> None:
    if "feature_extract" in task.settings.components:
        raise UsageError(
            found="affinity beside feature_extract", expected="an encoder that learns and reads images",
            fix="leave one of the two out", code="strategies-clash",
        )  # fmt: skip


def _refuse_other_channels(source: SegNetwork, network: SegNetwork) -> None:
    theirs, ours = len(source.input_mean), len(network.input_mean)
    if theirs != ours:
        raise UsageError(
            found=f"a source network of {theirs} input channels, target scans of {ours}",
            expected="scans that both networks can read",
            fix="use the source's prepare.neighbours, or leave affinity out", code="source-channels",
        )  # fmt: skip


def _make(task: Task, settings: AffinitySettings) -> Affinity:
    return Affinity(task, settings)


COMPONENT = ComponentInfo(
    title="Distilled relations between regions and between cases",
    level="relation",
    moves="which regions and which slices are alike to the source's network",
    learns="everything, but what was alike stays alike",
    needs=("labels", "source model"),
    paper="Liu et al. 2019, Structured knowledge distillation; Tung and Mori 2019, Similarity-preserving distillation",
    make=_make,
    settings=AffinitySettings,
)
