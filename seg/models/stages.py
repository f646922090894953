"""An encoder cut into stages, from the image to its deepest features."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from seg.models.network import SegNetwork

SIDE_PX = 64
"""Side of the image that is sent through; small, and one that every encoder was tried with."""
COARSE = 4
"""A first map coarser than half the resolution is that of an encoder that cuts the image into patches."""

_Levels = dict[nn.Module, int]


@dataclass(frozen=True)
class Stage:
    """Part of an encoder; all stages together hold each of its parameters and modules exactly once."""

    name: str
    """`stem` at the image, then `stage1`, `stage2`, ..., the deepest last."""
    parameters: tuple[nn.Parameter, ...]
    modules: tuple[nn.Module, ...]
    """A module that reaches over several stages, such as the encoder itself, belongs to its deepest one."""


def encoder_stages(network: SegNetwork) -> tuple[Stage, ...]:
    """The stages of any encoder, found by sending a black image through it, which leaves the network as it was.

    A stage is what one of the maps that the decoder reads needs, and no shallower one. Encoders that cut the image
    into patches get their patch embedding as the stem. What the maps do not need goes with the module that holds it.
    Encoders that exchange features between resolutions all the way, such as HRNet, are mostly one stage.
    """
    encoder = network.encoder
    size = (1, len(network.input_mean), SIDE_PX, SIDE_PX)
    with _watched(encoder) as ran:
        maps = network.encode(torch.zeros(size, device=network.input_mean.device))
        needed = _first_need(maps)
        parameters = {p: needed.get(get_gradient_edge(p).node) for p in encoder.parameters()}
    modules = _module_levels(
        encoder, parameters, {module: needed[node] for module, node in ran.items() if node in needed}
    )
    owners = {p: module for module in encoder.modules() for p in module.parameters(recurse=False)}
    whole = {p: modules[owners[p]] if level is None else level for p, level in parameters.items()}

    first = next(index for index, found in enumerate(maps) if found.requires_grad)
    if SIDE_PX // maps[first].shape[-1] >= COARSE:
        _cut_off_stem(encoder, modules, whole, owners, list(ran))
    return _named(whole, modules)


@contextmanager
def _watched(encoder: nn.Module) -> Iterator[dict[nn.Module, Node]]:
    """Within, all parameters are traced and norms stand still; gives what innermost modules put out, in their order."""
    modes = [(module, module.training) for module in encoder.modules()]
    learned = [(parameter, parameter.requires_grad) for parameter in encoder.parameters()]
    ran: dict[nn.Module, Node] = {}

    def note(module: nn.Module, _given: object, output: object) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            ran.setdefault(module, get_gradient_edge(output).node)

    innermost = [module for module in encoder.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(note) for module in innermost]
    encoder.eval().requires_grad_(True)
    try:
        with torch.enable_grad():
            yield ran
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
        for parameter, learns in learned:
            parameter.requires_grad_(learns)


def _first_need(maps: Sequence[Tensor]) -> dict[Node, int]:
    """Every step of the calculation and the first of the maps that it leads to."""
    found: dict[Node, int] = {}
    for level, feature in enumerate(maps):
        waiting: list[Node | None] = [feature.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in found:
                found[node] = level
                waiting.extend(before for before, _ in node.next_functions)
    return found


def _module_levels(
    encoder: nn.Module, parameters: Mapping[nn.Parameter, int | None], outputs: Mapping[nn.Module, int]
) -> _Levels:
    """The deepest level of each module's content; what never ran takes the level of the module that holds it."""
    own = dict(outputs)
    for module in encoder.modules():
        levels = [level for p in module.parameters(recurse=False) if (level := parameters[p]) is not None]
        if levels:
            own[module] = max(levels)
    found: _Levels = {}

    def settle(module: nn.Module, above: int) -> None:
        level = max((own[inner] for inner in module.modules() if inner in own), default=above)
        found.setdefault(module, level)
        for child in module.children():
            settle(child, level)

    settle(encoder, 0)
    return found


def _cut_off_stem(
    encoder: nn.Module,
    modules: _Levels,
    parameters: dict[nn.Parameter, int],
    owners: Mapping[nn.Parameter, nn.Module],
    ran: Sequence[nn.Module],
) -> None:
    """Move all but the patch embedding one level down, in place; embeddings that the encoder itself holds stay."""
    first = min(parameters.values())
    stem = {inner for unit in _stem_units(encoder, modules, first, ran) for inner in unit.modules()}
    for parameter, level in parameters.items():
        owner = owners[parameter]
        embedding = level == first and modules[owner] > first
        parameters[parameter] = level if owner in stem or embedding else level + 1
    for module, level in modules.items():
        modules[module] = level if module in stem else level + 1


def _stem_units(encoder: nn.Module, modules: _Levels, first: int, ran: Sequence[nn.Module]) -> list[nn.Module]:
    """From the image on, the first module with a matrix of weights and the norms and the like around it."""
    when = {module: index for index, module in enumerate(ran)}

    def begins(module: nn.Module) -> int:
        return min((when[inner] for inner in module.modules() if inner in when), default=len(when))

    def in_order(module: nn.Module) -> list[nn.Module]:
        return sorted(module.children(), key=begins)

    def units(module: nn.Module) -> list[nn.Module]:
        return [unit for child in in_order(module) for unit in ([child] if modules[child] == first else units(child))]

    ahead = units(encoder)
    while len(ahead) == 1 and in_order(ahead[0]):
        ahead = in_order(ahead[0])
    mixing = [index for index, unit in enumerate(ahead) if any(p.ndim > 1 for p in unit.parameters())]
    return ahead[: mixing[1]] if len(mixing) > 1 else ahead


def _named(parameters: Mapping[nn.Parameter, int], modules: _Levels) -> tuple[Stage, ...]:
    levels = sorted(set(parameters.values()))
    # A module without parameters may lie between two of them.
    ends = {module: min((found for found in levels if found >= level), default=levels[-1])
            for module, level in modules.items()}  # fmt: skip
    return tuple(
        Stage(
            f"stage{number}" if number else "stem",
            tuple(parameter for parameter, found in parameters.items() if found == level),
            tuple(module for module, found in ends.items() if found == level),
        )
        for number, level in enumerate(levels)
    )
