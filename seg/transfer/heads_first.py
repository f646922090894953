"""Heads first: for some steps only the heads learn, so that what was transferred is seen before it is changed."""

from typing import Annotated

from pydantic import Field
from torch import nn

from seg.config import Section, Settings
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.transfer.component import Component, ComponentInfo, Task

_HEADS = ("mask_head.", "edge_head.")
NAME = "heads_first"


class HeadsFirstSettings(Section):
    """How long the heads learn alone."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of the steps; as long as the learning rate rises by default, so that the rest begins at the full rate.

    Kumar et al. train the heads to their end first; a head of one convolution on dense labels is past its steepest
    rise within tens of steps, and what it takes is missing elsewhere.
    """


class HeadsFirst(Component):
    """Everything but the heads stands still at first; then it learns as the other components say.

    Norms keep moving their statistics, also at first: a new decoder's are of no use yet, and those of another organ's
    scans fit the target's less. To be listed before components that let parts thaw themselves, whose word holds then.

    Source: Kumar et al. 2022, Fine-tuning can distort pretrained features, section 3.4 (LP-FT).
    """

    def __init__(self, settings: HeadsFirstSettings) -> None:
        """Knows what stands still after all components have prepared the network."""
        self._settings = settings
        self._still: list[nn.Parameter] = []

    def groups(self, network: SegNetwork, start: WeightReport) -> None:
        """No opinion; notes what would learn but for the heads."""
        self._still = [
            parameter
            for name, parameter in network.named_parameters()
            if parameter.requires_grad and not name.startswith(_HEADS)
        ]

    def set_mode(self, network: SegNetwork, progress: float) -> None:
        """Let all that may learn do so once the heads had their share."""
        for parameter in self._still:
            parameter.requires_grad_(progress >= self._settings.share)


def steps_of_heads(settings: Settings, total_steps: int) -> int:
    """After how many steps of a training with these settings more than the heads learns; 0 without the component."""
    if NAME not in settings.components:
        return 0
    share = HeadsFirstSettings.model_validate(settings.components[NAME]).share
    return next(step for step in range(total_steps + 1) if step / total_steps >= share)


def _make(task: Task, settings: HeadsFirstSettings) -> HeadsFirst:
    return HeadsFirst(settings)


COMPONENT = ComponentInfo(
    title="Heads first",
    level="parameter",
    moves="every weight that fits, as a start",
    learns="the heads alone for a few steps, then everything that other components let learn",
    needs=(),
    paper="Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution",
    make=_make,
    settings=HeadsFirstSettings,
)
