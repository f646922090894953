"""Parts of a network that stand still: their weights, their norms' statistics, their dropout."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from seg.models.network import SegNetwork
from seg.models.weights import WeightReport


@dataclass(frozen=True)
class Held:
    """What stands still together."""

    parameters: tuple[nn.Parameter, ...]
    modules: tuple[nn.Module, ...]

    def learn(self, learns: bool) -> None:
        """Whether the optimiser moves it: without a gradient AdamW leaves a weight alone, decay included."""
        for parameter in self.parameters:
            parameter.requires_grad_(learns)

    def fix(self) -> None:
        """Norms use their running statistics and keep them, nothing is dropped; `network.train()` undoes it."""
        for module in self.modules:
            module.training = False


def held(
    network: SegNetwork, parameters: Iterable[nn.Parameter], modules: Iterable[nn.Module], start: WeightReport
) -> Held:
    """Of the parts given, all but what the start's file lacked: there is nothing to keep in new weights.

    A network that starts from nothing at all is held as a whole, as a control for what frozen random features give.
    """
    missing = {row.name for row in start.rows if row.status == "missing"}
    owners = {name.rpartition(".")[0] for name in missing}
    new = {id(parameter) for name, parameter in network.named_parameters() if name in missing}
    new |= {id(module) for name, module in network.named_modules() if name in owners}
    return Held(tuple(p for p in parameters if id(p) not in new), tuple(m for m in modules if id(m) not in new))
