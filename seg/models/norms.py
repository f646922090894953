"""Which batches move the running statistics of norms."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


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
