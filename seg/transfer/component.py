"""The seam: what a strategy component may change. It never owns the loop; it answers four questions.

A component is one file of this package with `COMPONENT`, a ComponentInfo. Components combine by being listed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from seg.config import Settings
from seg.data.dataset import Batch
from seg.models.network import Output, SegNetwork
from seg.models.weights import WeightReport

Level = Literal["structure", "feature", "parameter", "instance", "relation", "none"]


class Forward:
    """One step's passes through the learning network: each stream at most once, however many terms need it."""

    def __init__(self, network: SegNetwork, batches: Mapping[str, Batch]) -> None:
        """`batches` are on the network's device already."""
        self.network = network
        self.batches = batches
        self._outputs: dict[str, Output] = {}

    def output(self, stream: str) -> Output:
        """The network's output for a stream's images."""
        if stream not in self._outputs:
            found: Output = self.network(self.batches[stream].images)
            self._outputs[stream] = found
        return self._outputs[stream]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn alike."""

    name: str
    parameters: Sequence[torch.nn.Parameter]
    lr_factor: float = 1.0
    """Times `optim.lr`."""
    weight_decay: bool = True


class Component:
    """One part of a strategy; abstract, with a default answer to every question."""

    def streams(self) -> tuple[str, ...]:
        """Which streams the loader must deliver."""
        return ("labelled",)

    def prepare(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup] | None:
        """What learns at which rate, given what the weights came from; None leaves it to the other components."""
        return None

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """Loss terms by name, weighted; the loop sums, logs and checks them."""
        return {}

    def after_step(self, network: SegNetwork, step: int) -> None:
        """What follows an optimiser step that was taken; never called for a skipped one."""

    def state_dict(self) -> dict[str, Tensor]:
        """Everything a resume must restore."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""


@dataclass(frozen=True)
class ComponentInfo:
    """What `seg list strategies` tells of a component, and how to make one."""

    title: str
    level: Level
    moves: str
    """What moves from the source."""
    learns: str
    """What learns on the target."""
    needs: tuple[str, ...]
    """`labels`, `unlabelled`, `source`."""
    paper: str
    make: Callable[[Settings], Component]
    settings: Mapping[str, Any]
    """Its knobs with their defaults."""
