"""Slowly moving averages of a network's weights."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def decay_from_half_life(steps: float) -> float:
    """The decay after which `steps` updates leave half of an old value's weight; 0 for no steps.

    Source: 0.5 = decay ** steps.
    """
    return 0.5 ** (1 / steps) if steps > 0 else 0.0


def half_life_of(decay: float) -> float:
    """The steps after which half of an old value's weight is left; 0 for a decay of 0."""
    return math.log(0.5) / math.log(decay) if decay > 0 else 0.0


class Ema:
    """Averages of all floating parameters and buffers, so that batch norms fit the averaged weights.

    The decay of step t (from 0) is min(1 - 1 / (t + 1), decay): the first update copies, early ones average evenly.
    Source: Tarvainen and Valpola 2017 (Mean Teacher), section 3 and their code.
    """

    def __init__(self, model: nn.Module, decay: float, *, update_every: int = 1) -> None:
        """Starts as a copy of `model`, to be made after the model was moved to its device and memory format.

        Args:
            model: The network that learns.
            decay: In [0, 1); 0 always gives the latest weights.
            update_every: Look at the weights only every so many steps, with the product of the decays since, which
                halves the cost and hardly changes the average where the half-life is much longer.
        """
        self.decay = decay
        self.update_every = update_every
        self._steps = self._looked = 0
        self._keep = 0.0
        self._averaged = AveragedModel(model, multi_avg_fn=self._average, use_buffers=True)
        self._averaged.requires_grad_(False).eval()

    @property
    def module(self) -> nn.Module:
        """The averaged network, without gradients; in evaluation mode."""
        module: nn.Module = self._averaged.module
        return module

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Tell that `model` took an optimiser step; not to be called for a step that was skipped."""
        self._steps += 1
        if self._steps - self._looked < self.update_every:
            return
        # The first look copies, whatever the decay: there is no average yet.
        since, self._looked = range(self._looked, self._steps), self._steps
        self._keep = math.prod(min(1 - 1 / (step + 1), self.decay) for step in since)
        self._averaged.update_parameters(model)

    def _average(self, averages: Sequence[Tensor], values: Sequence[Tensor], _count: Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(values), 1 - self._keep)
        else:
            torch._foreach_copy_(list(averages), list(values))

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors only, so that safetensors can hold it."""
        counts = {"steps": torch.tensor(self._steps), "looked": torch.tensor(self._looked)}
        return {**self._averaged.state_dict(), **counts}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken; `update_every` is set before."""
        self._steps = steps = int(state["steps"])
        # The first checkpoint format did not say when it looked: at every multiple.
        looked = state.get("looked", torch.tensor(steps - steps % self.update_every))
        self._looked = int(looked)
        averages = {name: tensor for name, tensor in state.items() if name not in ("steps", "looked")}
        self._averaged.load_state_dict(averages)
