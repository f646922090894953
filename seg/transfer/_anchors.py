"""Weights that are kept close to where they started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter


@dataclass(frozen=True)
class Anchor:
    """A part of a network and where it started."""

    parameters: tuple[Parameter, ...]
    start: tuple[Tensor, ...]
    """What the parameters were."""
    square_length: Tensor
    """Of the start as one vector."""

    def moved(self) -> Tensor | None:
        """||w - w0||^2 / ||w0||^2 of what learns; None where nothing of it does."""
        squares = [
            (parameter - start).square().sum()
            for parameter, start in zip(self.parameters, self.start, strict=True)
            if parameter.requires_grad
        ]
        return torch.stack(squares).sum() / self.square_length if squares else None


def anchored(parts: Mapping[str, Sequence[Parameter]]) -> list[Anchor]:
    """The parts as they are now; one without parameters, or all zeros, is left out."""
    anchors = []
    for parameters in parts.values():
        start = tuple(parameter.detach().clone() for parameter in parameters)
        length = sum((tensor.square().sum() for tensor in start), torch.zeros(()))
        if length > 0:
            anchors.append(Anchor(tuple(parameters), start, length))
    return anchors


def relative_distance(anchors: Sequence[Anchor]) -> Tensor | None:
    """Sum over the parts of how far each moved, relative to its own length and squared; None where nothing learns.

    A plain sum of squares (L2-SP) means something else for every network: a stem's 10,000 weights and a stage's million
    differ hundredfold, and a convolution before a norm may have any length without answering differently. Relative to
    its start, 0.01 is a tenth of the way to somewhere unrelated whatever the part. A sum over the parts, since with a
    mean every part would be held less for each part that is added. Taken over a whole part rather than tensor by
    tensor, because biases may start at zero.
    Source: Li et al. 2018 (L2-SP), eq. 1, rescaled.
    """
    moved = [share for anchor in anchors if (share := anchor.moved()) is not None]
    return torch.stack(moved).sum() if moved else None
