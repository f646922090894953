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
from seg.models.ema import Ema, decay_from_half_life
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.train.precision import Precision
from seg.train.schedule import make_optimizer
from seg.transfer._groups import encoder_and_rest
from seg.transfer.component import Component, ParameterGroup


@dataclass
class Progress:
    """How far a training is; plain numbers that a checkpoint keeps."""

    total_steps: int
    step: int = 0
    """Optimiser steps taken or skipped so far."""
    best_step: int = 0
    best_dice: float = -1.0
    """Validation Dice of the best step; below 0 before the first validation."""
    validations_since_best: int = 0
    elapsed_s: float = 0.0
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
    groups: list[ParameterGroup] = field(init=False)
    """What learns at which rate, as the strategy decided."""
    optimizer: torch.optim.AdamW = field(init=False)
    ema: Ema | None = field(init=False)

    def __post_init__(self) -> None:
        self.groups = self._parameter_groups()
        self.optimizer = make_optimizer(self.groups, self.settings.optim)
        self.ema = Ema(self.network, 0.0) if self.settings.train.ema else None
        self.set_length(self.total_steps)

    def set_length(self, total_steps: int) -> None:
        """Fit the averages to a run of so many steps, which a time budget may make fewer than the settings say."""
        self.total_steps = total_steps
        if self.ema is not None:
            half_life = self.settings.train.ema_half_life * total_steps
            self.ema.decay = decay_from_half_life(half_life)
            # A look every eighth of the half-life costs less and hardly changes the averages.
            self.ema.update_every = max(1, round(half_life / 8))

    def _parameter_groups(self) -> list[ParameterGroup]:
        for component in self.components:
            component.prepare(self.network, self.start)
        opinions = [component.groups(self.network, self.start) for component in self.components]
        decided = [groups for groups in opinions if groups is not None]
        groups = decided[-1] if decided else encoder_and_rest(self.network, 1.0)
        for component in self.components:
            groups = component.regroup(groups)
        return [*groups, *(own for component in self.components for own in component.own_groups())]

    def exported(self) -> dict[str, Tensor]:
        """The predicting weights as a plain network of the settings can load them."""
        tensors: dict[str, Tensor] = self.predictor.state_dict()
        for component in self.components:
            tensors = component.exported(self.predictor, tensors)
        return tensors

    @property
    def predictor(self) -> nn.Module:
        """The network that predictions come from: the averaged one where there is one."""
        return self.network if self.ema is None else self.ema.module

    @property
    def inference(self) -> Inference:
        """How whole slices go through it."""
        return Inference(self.device, self.precision.autocast, self.settings.predict.batch_size)
