"""L2-SP: fine-tuning that is pulled back towards the weights it started from."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn import functional as F

from seg.config import Section
from seg.errors import UsageError
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.transfer._transferred import transferred_names
from seg.transfer.component import Component, ComponentInfo, Forward, ParameterGroup, Task
from seg.values import NotNegative


class L2spSettings(Section):
    """How strongly weights are pulled."""

    weight: NotNegative = 0.01
    """Pull of transferred weights towards their start, beta. Source: TLlib's examples, `trade-off-backbone`."""
    new_weight: NotNegative = 0.01
    """Pull of new weights towards zero, alpha; not of biases and norms, as with `optim.weight_decay`.

    Source: TLlib's examples, `trade-off-head`.
    """


class L2sp(Component):
    """beta / 2 ||w_S - w_S0||^2 over what was transferred, alpha / 2 ||w_N||^2 over the weights that are new.

    Source: Li et al. 2018, Explicit inductive bias for transfer learning, section 3 (L2-SP); letters as in TLlib.

    The start w_S0 is what the network holds when `prepare` is called, biases and norms included; a resume prepares the
    same start before it restores, so it is not kept. What does not learn in a step is left out of it.

    Weight decay would pull towards zero what this holds at its start, so it is off for the whole network.

    The penalty is part of the loss, as in the paper, but AdamW divides the gradient of the sum by its running size.
    Where both gradients balance, w - w_S0 = -g / beta, is where the paper's SGD has it too; the way there is not: the
    pull takes its share of a step whose length is fixed, and a weight that the data say nothing about goes back at the
    full learning rate, however small beta is. Losses are means over pixels and organs, of order 1, so beta has
    the scale it has beside a mean cross entropy; a loss weight of w makes the pull w times weaker.
    """

    def __init__(self, settings: L2spSettings) -> None:
        """Knows the weights after `prepare`."""
        self._settings = settings
        self._held: list[tuple[Parameter, Tensor]] = []
        self._new: list[Parameter] = []

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Remember the start; UsageError where nothing was transferred."""
        names = transferred_names(start)
        parameters = dict(network.named_parameters())
        self._held = [
            (parameter, parameter.detach().clone()) for name, parameter in parameters.items() if name in names
        ]
        self._new = [parameter for name, parameter in parameters.items() if name not in names and parameter.ndim > 1]
        if not self._held:
            raise UsageError(
                found=f"l2sp for a network whose weights come from {start.source}", expected="transferred weights",
                fix="name a source such as --from liver, or leave l2sp out", code="nothing-transferred",
            )  # fmt: skip

    def regroup(self, groups: list[ParameterGroup]) -> list[ParameterGroup]:
        """No weight decay beside the two pulls; learning rates stay as they were decided."""
        return [replace(group, weight_decay=False) for group in groups]

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`l2sp`, and `l2sp_new` where there are new weights; a term without anything that learns is left out."""
        with torch.autocast(forward.network.input_mean.device.type, enabled=False):
            held = [F.mse_loss(moved, start, reduction="sum") for moved, start in self._held if moved.requires_grad]
            new = [parameter.square().sum() for parameter in self._new if parameter.requires_grad]
        pulls = {"l2sp": (self._settings.weight, held), "l2sp_new": (self._settings.new_weight, new)}
        return {name: weight / 2 * torch.stack(sums).sum() for name, (weight, sums) in pulls.items() if sums}


def _make(task: Task, settings: L2spSettings) -> L2sp:
    return L2sp(settings)


COMPONENT = ComponentInfo(
    title="L2-SP: pulled back to the start",
    level="parameter",
    moves="the source's weights, as a start and as the point of least penalty",
    learns="what the other components say, at a price that grows with the distance from the start",
    needs=("weights",),
    paper="Li et al. 2018, Explicit inductive bias for transfer learning with convolutional networks",
    make=_make,
    settings=L2spSettings,
)
