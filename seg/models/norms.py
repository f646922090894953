"""What moves the running statistics of norms, and what does not."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase


@contextmanager
def statistics_held(network: nn.Module, held: bool = True) -> Iterator[None]:
    """Within, batch norms normalise by the batch as before but leave their running statistics where they are.

    Source: momentum 0 in running = (1 - momentum) * running + momentum * batch (Ioffe & Szegedy 2015).
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)] if held else []
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


class KeptStatistics:
    """The running statistics of a network's norms as they were, to go back to when a step is not taken.

    They move in the forward pass, before anybody knows whether the step's loss and gradient are finite.
    """

    def __init__(self, network: nn.Module) -> None:
        """To be made when the network has all its layers and lies on its device."""
        found = (buffer for module in network.modules() if isinstance(module, _NormBase) for buffer in module.buffers())
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for buffer in found:
            by_type.setdefault(buffer.dtype, []).append(buffer)
        # Lists of one type are copied by one call, which costs a GPU less than one per norm.
        self._groups = [(alike, [buffer.clone() for buffer in alike]) for alike in by_type.values()]

    @torch.no_grad()
    def keep(self) -> None:
        """Remember them."""
        for buffers, copies in self._groups:
            torch._foreach_copy_(copies, buffers)

    @torch.no_grad()
    def restore(self) -> None:
        """Make them what they were when they were kept."""
        for buffers, copies in self._groups:
            torch._foreach_copy_(buffers, copies)
