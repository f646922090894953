"""What a training's start made of every tensor: taken over or not, frozen or learning, and how fast."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from seg.models.network import SegNetwork
from seg.models.stages import Stage, encoder_stages
from seg.models.weights import WeightReport
from seg.records import PartRow
from seg.transfer.component import ParameterGroup

OWN = "the strategy's own"
"""Part of what a component added: adapters inside the network, discriminators and predictors beside it."""
_PARTS = {"decoder.": "decoder", "mask_head.": "mask head", "edge_head.": "edge head"}
_INPUT = "input range"
_WRAPPED = ".base_layer."
"""Part of a name under which peft keeps the layer that an adapter is put around."""


@dataclass(frozen=True)
class Outcome:
    """One tensor when the first step is taken."""

    part: str
    shape: tuple[int, ...]
    status: Literal["loaded", "adapted", "missing"]
    parameters: int
    """Numbers that could learn; 0 for norm statistics and constants."""
    frozen: bool | None
    """None for constants, which never learn."""
    lr_factor: float | None
    """Times `optim.lr`; None where no group has the tensor."""


def tensor_outcomes(network: SegNetwork, report: WeightReport, groups: Sequence[ParameterGroup]) -> dict[str, Outcome]:
    """Every tensor of a network by name, once a strategy has prepared it and set its mode.

    Layers that an adapter was put around keep the names that they had before.
    """
    return _inside(network, report, groups, encoder_stages(network))


def transfer_table(network: SegNetwork, report: WeightReport, groups: Sequence[ParameterGroup]) -> tuple[PartRow, ...]:
    """One row per part of the network, from the image to the heads, and one for what the components brought along."""
    stages = encoder_stages(network)
    outcomes = [*_inside(network, report, groups, stages).values(), *_beside(network, groups)]
    by_part: dict[str, list[Outcome]] = {
        part: [] for part in (_INPUT, *(stage.name for stage in stages), *_PARTS.values(), OWN)
    }
    for outcome in outcomes:
        by_part[outcome.part].append(outcome)
    return tuple(_row(part, found) for part, found in by_part.items() if found)


def _inside(
    network: SegNetwork, report: WeightReport, groups: Sequence[ParameterGroup], stages: Sequence[Stage]
) -> dict[str, Outcome]:
    statuses = {row.name: row.status for row in report.rows if row.status != "unused"}
    parameters, factors, places = dict(network.named_parameters()), _lr_factors(groups), _places(network, stages)
    found = {}
    for name, tensor in network.state_dict().items():
        plain = name.replace(_WRAPPED, ".")
        part = _part(name, places) if plain in statuses or not statuses else OWN
        parameter = parameters.get(name)
        factor = factors.get(id(parameter))
        count = 0 if parameter is None else parameter.numel()
        frozen = _still(network, name) if parameter is None else not (parameter.requires_grad and factor)
        found[plain] = Outcome(part, tuple(tensor.shape), statuses.get(plain, "missing"), count, frozen, factor)
    return found


def _lr_factors(groups: Sequence[ParameterGroup]) -> dict[int, float]:
    return {id(parameter): group.lr_factor for group in groups for parameter in group.parameters}


def _beside(network: nn.Module, groups: Sequence[ParameterGroup]) -> Iterator[Outcome]:
    """What learns outside the network."""
    inside = {id(parameter) for parameter in network.parameters()}
    for group in groups:
        for parameter in group.parameters:
            if id(parameter) not in inside:
                frozen = not (parameter.requires_grad and group.lr_factor)
                yield Outcome(OWN, tuple(parameter.shape), "missing", parameter.numel(), frozen, group.lr_factor)


def _places(network: SegNetwork, stages: Sequence[Stage]) -> dict[str, str]:
    """Tensor of the encoder to the name of the stage that it is part of."""
    of_parameters = {id(parameter): stage.name for stage in stages for parameter in stage.parameters}
    of_modules = {id(module): stage.name for stage in stages for module in stage.modules}
    encoder = network.encoder
    parameters = {name: of_parameters[id(parameter)] for name, parameter in encoder.named_parameters()}
    buffers = {
        name: of_modules[id(encoder.get_submodule(name.rpartition(".")[0]))] for name, _ in encoder.named_buffers()
    }
    return {f"encoder.{name}": stage for name, stage in (*parameters.items(), *buffers.items())}


def _part(name: str, places: Mapping[str, str]) -> str:
    return places.get(name) or next((part for prefix, part in _PARTS.items() if name.startswith(prefix)), _INPUT)


def _still(network: nn.Module, name: str) -> bool | None:
    """Whether the norm statistics that a buffer is one of stay where they are; None for any other buffer."""
    owner = network.get_submodule(name.rpartition(".")[0])
    return not owner.training if isinstance(owner, _BatchNorm) else None


def _row(part: str, outcomes: Sequence[Outcome]) -> PartRow:
    statuses = [outcome.status for outcome in outcomes]
    return PartRow(
        part=part,
        tensors=len(outcomes),
        parameters=sum(outcome.parameters for outcome in outcomes),
        learning=sum(outcome.parameters for outcome in outcomes if outcome.frozen is False),
        loaded=statuses.count("loaded"),
        adapted=statuses.count("adapted"),
        fresh=statuses.count("missing"),
        frozen=sum(outcome.frozen is True for outcome in outcomes),
        lr_factors=tuple(sorted({outcome.lr_factor for outcome in outcomes if outcome.lr_factor})),
    )
