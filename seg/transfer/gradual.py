"""Gradual unfreezing: first what is new, then one stage of the encoder after the other, the deepest first."""

import math
from typing import Annotated

from pydantic import Field

from seg.config import Section
from seg.models.network import SegNetwork
from seg.models.stages import encoder_stages
from seg.models.weights import WeightReport
from seg.transfer._held import Held, held
from seg.transfer.component import Component, ComponentInfo, Task


class GradualSettings(Section):
    """How fast the encoder thaws."""

    unfrozen_by: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the steps after which everything learns; each stage joins after an equal part of it.

    ULMFiT's four groups join within 4 of about 50 epochs, 0.08 (Howard & Ruder 2018, sections 3.3 and 4.1). Runs here
    are short and warm up over 0.05 of the steps: with 0.3 and the five stages of most encoders the first one joins at
    0.06, when the new parts have learned at the full rate at least once. The stem, the last, still gets 0.44 of the
    learning rate that a cosine schedule gives in all: 0.7 - sin(0.3 pi) / pi.
    """


class Gradual(Component):
    """Decoder, heads and new parts learn from the first step; a stage of the encoder stands still until it is its turn.

    Which stages learn depends on the share of the steps alone, so that a resumed run goes on alike. All that will ever
    learn is in the optimiser from the start; a weight without a gradient is not moved, and its moments begin with its
    own first step. Norms of a stage that stands still keep their statistics.

    Source: Howard & Ruder 2018, Universal language model fine-tuning, section 3.3.
    """

    def __init__(self, settings: GradualSettings) -> None:
        """Knows the stages after all components have prepared the network."""
        self._settings = settings
        self._stages: list[Held] = []

    def groups(self, network: SegNetwork, start: WeightReport) -> None:
        """No opinion; notes what learns at all, now that every component has frozen what it wants to."""
        self._stages = [
            held(network, [p for p in stage.parameters if p.requires_grad], stage.modules, start)
            for stage in encoder_stages(network)
        ]

    def set_mode(self, network: SegNetwork, progress: float) -> None:
        """Let the stages learn whose turn it is, and put the others back into evaluation mode."""
        still = len(self._stages) - learning_stages(progress, self._settings.unfrozen_by, len(self._stages))
        for number, stage in enumerate(self._stages):
            stage.learn(number >= still)
            if number < still:
                stage.fix()


def learning_stages(progress: float, unfrozen_by: float, stages: int) -> int:
    """How many of the encoder's stages learn after a share `progress` of the steps; none at first, all in the end."""
    return min(stages, math.floor(stages * progress / unfrozen_by))


def _make(task: Task, settings: GradualSettings) -> Gradual:
    return Gradual(settings)


COMPONENT = ComponentInfo(
    title="Gradual unfreezing",
    level="parameter",
    moves="every weight that fits, as a start",
    learns="decoder and heads, then stage by stage the encoder, the deepest first",
    needs=(),
    paper="Howard & Ruder 2018, Universal language model fine-tuning for text classification",
    make=_make,
    settings=GradualSettings,
)
