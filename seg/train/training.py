"""What one training works with, and how far it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seg.config import Settings
from seg.data.cache import PreparedCase
from seg.data.plan import Plan
from seg.evaluate.predict import Inference
from seg.models.ema import Ema, decay_from_half_life, half_life_of
from seg.models.network import SegNetwork
from seg.models.norms import KeptStatistics
from seg.models.weights import WeightReport
from seg.train.compiled import compile_network
from seg.train.precision import Precision
from seg.train.ranks import Ranks, together
from seg.train.schedule import make_optimizer
from seg.transfer._groups import encoder_and_rest
from seg.transfer.component import Averaging, Component, ParameterGroup


@dataclass
class Progress:
    """How far a training is; plain numbers that a checkpoint keeps."""

    total_steps: int
    step: int = 0
    """Optimiser steps taken or skipped so far; data follow this, the learning rate only those taken."""
    best_step: int = 0
    best_dice: float = -1.0
    """Validation Dice of the best step; below 0 before the first validation."""
    validations_since_best: int = 0
    elapsed_s: float = 0.0
    best_of: str = ""
    """Which of `Training.candidates` the best weights are; empty before the first validation."""
    budgeted: bool = False
    """True once a time budget was turned into steps."""

    def state(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass
class Training:
    """Everything the loop works with; made by a recipe."""

    settings: Settings
    plan: Plan
    network: SegNetwork
    start: WeightReport
    """What the network's weights came from."""
    components: Sequence[Component]
    cases: Mapping[str, Sequence[PreparedCase]]
    """Stream name to its cases."""
    batch_sizes: Mapping[str, int]
    """Stream name to slices per step."""
    validation: Sequence[PreparedCase]
    device: torch.device
    precision: Precision
    total_steps: int
    watched: Sequence[PreparedCase] = ()
    """Test patients that are scored along the way and decide nothing; empty but for `evaluate.curve`."""
    ranks: Ranks = field(default_factory=together)
    """The processes that train together."""
    averaging: Averaging | None = field(init=False)
    teaches: bool = field(init=False)
    """Whether components learn from the averaged weights, which are then the teacher's."""
    groups: list[ParameterGroup] = field(init=False)
    """What learns at which rate, as the strategy decided."""
    optimizer: torch.optim.AdamW = field(init=False)
    ema: Ema | None = field(init=False)
    """The averaged weights; where components learn from them, the teacher."""
    statistics: KeptStatistics = field(init=False)
    """Those of the norms before the step at hand."""

    def __post_init__(self) -> None:
        self.groups = self._parameter_groups()
        self.optimizer = make_optimizer(self.groups, self.settings.optim)
        wishes = [wish for component in self.components if (wish := component.averaging()) is not None]
        train = self.settings.train
        self.teaches = bool(wishes)
        # The last component that learns from averages decides, else the settings.
        self.averaging = wishes[-1] if wishes else (Averaging(train.ema_half_life) if train.ema else None)
        self.ema = None if self.averaging is None else Ema(self.network, 0.0)
        if train.compile and self.teacher is not None:
            # A copy of a compiled network is not compiled.
            compile_network(self.teacher)
        self.statistics = KeptStatistics(self.network)
        self.set_length(self.total_steps)

    def set_length(self, total_steps: int) -> None:
        """Fit the averages to a run of so many steps, which a time budget may make fewer than the settings say."""
        self.total_steps = total_steps
        if self.ema is not None and self.averaging is not None:
            half_life, decay = self.averaging.half_life * total_steps, self.averaging.decay
            self.ema.decay = decay_from_half_life(half_life) if decay is None else decay
            # A look every eighth of the half-life costs less and hardly changes the averages.
            self.ema.update_every = max(1, round((half_life if decay is None else half_life_of(decay)) / 8))

    def _parameter_groups(self) -> list[ParameterGroup]:
        for component in self.components:
            component.prepare(self.network, self.start)
        opinions = [component.groups(self.network, self.start) for component in self.components]
        decided = [groups for groups in opinions if groups is not None]
        groups = decided[-1] if decided else encoder_and_rest(self.network, 1.0)
        for component in self.components:
            groups = component.regroup(groups)
        return [*groups, *(own for component in self.components for own in component.own_groups())]

    def exported(self, candidate: str = "") -> dict[str, Tensor]:
        """The weights of the predictor, or of that candidate, as a plain network of the settings can load them."""
        network = self.candidates[candidate] if candidate else self.predictor
        tensors: dict[str, Tensor] = network.state_dict()
        for component in self.components:
            tensors = component.exported(network, tensors)
        return tensors

    @property
    def predictor(self) -> nn.Module:
        """The network that predictions come from where none is chosen: the averaged one where there is one."""
        return self.network if self.ema is None else self.ema.module

    @property
    def teacher(self) -> SegNetwork | None:
        """The averaged network, where components learn from it."""
        averaged = None if self.ema is None or not self.teaches else self.ema.module
        return averaged if isinstance(averaged, SegNetwork) else None

    @property
    def candidates(self) -> dict[str, nn.Module]:
        """The networks that a validation chooses from, by name; the first one where they are equally good."""
        if self.teacher is not None:
            return {"teacher": self.teacher, "student": self.network}
        return {"learning" if self.ema is None else "averaged": self.predictor}

    @property
    def hardware(self) -> str:
        """What it runs on, in words."""
        several = f", {self.ranks.count} processes" if self.ranks.count > 1 else ""
        return f"{self.device.type}{several}"

    @property
    def inference(self) -> Inference:
        """How whole slices go through it."""
        return Inference(self.device, self.precision.autocast, self.settings.predict.batch_size)
