"""Discriminative fine-tuning: the shallower a transferred stage, the more slowly it learns."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from seg.config import Section
from seg.models.network import SegNetwork
from seg.models.stages import encoder_stages
from seg.models.weights import WeightReport
from seg.transfer._groups import by_decay
from seg.transfer._transferred import transferred_names
from seg.transfer.component import Component, ComponentInfo, ParameterGroup, Task

Factor = Annotated[float, Field(gt=0, le=100)]


class FinetuneSettings(Section):
    """Learning rates relative to `optim.lr`; `optim.encoder_lr_factor` is not used beside them."""

    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Learning rate of an encoder stage relative to the next deeper one, and of the deepest one relative to 1.

    0.75 is timm's default per layer (`param_groups_layer_decay`); ConvNeXt's published segmentation models take 0.9 per
    stage, under AdamW. ULMFiT's 1 / 2.6 per layer group (Howard & Ruder 2018, section 3.2) is for long runs: AdamW
    moves a weight by at most about its learning rate per step (Kingma & Ba 2015, section 2.1), over 1000 steps of
    cosine at 5e-4 thus by 0.25 times the factor. A stem five groups below the top would have 1 / 119 as its factor
    and move by 0.002, which freezes it in all but name; with 0.75 the factor is 0.24 and it moves by 0.06.
    """
    decoder_lr_factor: Factor = 1.0
    """Learning rate of what was transferred of decoder and heads; 1 as for the top layer group of ULMFiT."""
    new_lr_factor: Factor = 1.0
    """Learning rate of what starts from nothing, wherever it is.

    `optim.lr` is a rate for training from nothing already. The tenfold rate of new heads in TLlib and in Long et al.
    2015 (section 4.1) is relative to transferred layers, under SGD.
    """


class Finetune(Component):
    """Learning rate of stage l of L (the stem is 1): optim.lr * layer_decay ** (L + 1 - l); decoder and heads: L + 1.

    Source: Howard & Ruder 2018, Universal language model fine-tuning, section 3.2, with groups of layers that share a
    resolution for its layers. What was transferred is what the start's report lists as loaded or adapted.
    """

    def __init__(self, settings: FinetuneSettings) -> None:
        """Holds nothing but the rates."""
        self._settings = settings

    def groups(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup]:
        """Stages from deep to shallow, transferred decoder and heads, new parts; only what is not frozen."""
        named, transferred = dict(network.named_parameters()), transferred_names(start)
        old = {id(parameter) for name, parameter in named.items() if name in transferred}
        found: list[ParameterGroup] = []
        for depth, stage in enumerate(reversed(encoder_stages(network)), start=1):
            ours = [parameter for parameter in stage.parameters if id(parameter) in old]
            found.extend(by_decay(stage.name, ours, self._settings.layer_decay**depth))
        rest = [named[name] for name in _outside_encoder(named) if name in transferred]
        new = [parameter for parameter in named.values() if id(parameter) not in old]
        return [
            *found,
            *by_decay("decoder and heads", rest, self._settings.decoder_lr_factor),
            *by_decay("new", new, self._settings.new_lr_factor),
        ]


def _outside_encoder(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("encoder.")]


def _make(task: Task, settings: FinetuneSettings) -> Finetune:
    return Finetune(settings)


COMPONENT = ComponentInfo(
    title="Discriminative fine-tuning",
    level="parameter",
    moves="every weight that fits, as a start",
    learns="everything; shallow stages more slowly than deep ones, new parts at the full rate",
    needs=(),
    paper="Howard & Ruder 2018, Universal language model fine-tuning for text classification",
    make=_make,
    settings=FinetuneSettings,
)
