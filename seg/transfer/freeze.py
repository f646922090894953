"""Frozen parts: shallow stages of the encoder, all of it, or the decoder too, stay what the source made them."""

from typing import Annotated, Literal

from pydantic import Field

from seg.config import Section
from seg.errors import UsageError
from seg.models.network import SegNetwork
from seg.models.stages import Stage, encoder_stages
from seg.models.weights import WeightReport
from seg.transfer._held import Held, held
from seg.transfer._transferred import transferred_names
from seg.transfer.component import Component, ComponentInfo, Task


class FreezeSettings(Section):
    """What is frozen."""

    stages: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    """How many stages of the encoder, from the image on, the stem counting as one; or all of them.

    All, the plainest use of features: on ACDC slices a U-Net with a frozen ImageNet ResNet-50 reaches 90.2 Dice points
    where a trained one reaches 90.7 and a frozen random one 84.9 (published table of MedSegPretrainImageNet).
    """
    decoder: bool = False
    """Also the decoder, so that of a fully frozen encoder's network only the heads learn."""


class Freeze(Component):
    """Frozen weights get no gradient, frozen norms keep their statistics, and nothing is dropped in frozen parts.

    Norms that go on averaging make another network of the frozen weights: their layers then see inputs that those
    weights were not made for. Tensors that the start's file lacked learn wherever they are.
    """

    def __init__(self, settings: FreezeSettings) -> None:
        """Freezes when the network is prepared, so that no group holds what is frozen."""
        self._settings = settings
        self._held = Held((), ())

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Switch gradients off; UsageError for more stages than there are, or a decoder that came from nowhere."""
        frozen = _frozen_stages(encoder_stages(network), self._settings.stages)
        parameters = [parameter for stage in frozen for parameter in stage.parameters]
        modules = [module for stage in frozen for module in stage.modules]
        if self._settings.decoder:
            _require_decoder(start)
            parameters.extend(network.decoder.parameters())
            modules.extend(network.decoder.modules())
        self._held = held(network, parameters, modules, start)
        self._held.learn(False)

    def set_mode(self, network: SegNetwork, progress: float) -> None:
        """Put what is frozen back into evaluation mode."""
        self._held.fix()


def _frozen_stages(stages: tuple[Stage, ...], count: int | Literal["all"]) -> tuple[Stage, ...]:
    if count == "all":
        return stages
    if count > len(stages):
        raise UsageError(
            found=f"freeze.stages={count}",
            expected=f"at most {len(stages)}: this encoder has {', '.join(stage.name for stage in stages)}",
            fix="freeze fewer stages, or all", code="too-many-stages",
        )  # fmt: skip
    return stages[:count]


def _require_decoder(start: WeightReport) -> None:
    if not any(name.startswith("decoder.") for name in transferred_names(start)):
        raise UsageError(
            found=f"freeze.decoder=true for a decoder that starts from nothing (weights: {start.source})",
            expected="a decoder that another model learned",
            fix="name a run as source and take its decoder over (transfer.parts=encoder_decoder or all), "
            "or freeze.decoder=false",
            code="frozen-new-decoder",
        )  # fmt: skip


def _make(task: Task, settings: FreezeSettings) -> Freeze:
    return Freeze(settings)


COMPONENT = ComponentInfo(
    title="Frozen encoder",
    level="parameter",
    moves="the source's encoder, or its shallow stages, or encoder and decoder; they stay as they are",
    learns="what is not frozen: the decoder and heads, or the heads alone",
    needs=(),
    paper="Yosinski et al. 2014, How transferable are features in deep neural networks?",
    make=_make,
    settings=FreezeSettings,
)
