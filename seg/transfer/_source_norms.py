"""A frozen network beside the learning one, both normalised in the same way."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def normalise_alike(source: nn.Module, network: nn.Module) -> None:
    """Let every batch norm of `source` take the batch's statistics where that of `network` does, else its own.

    They are paired in order; with unequal numbers, the source is left as it is. To be called before a pass of the
    source, within `statistics_held(source)`, since norms that take the batch's statistics also keep them.
    """
    theirs, ours = _norms(source), _norms(network)
    if len(theirs) == len(ours):
        for their_norm, our_norm in zip(theirs, ours, strict=True):
            their_norm.training = our_norm.training


def _norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]
