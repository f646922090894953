"""What is minimised: the contract of a loss, and how one is found by name."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from seg.registry import LOSSES

LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """One loss; every file of this package has one as `LOSS`."""

    name: str
    """The file's name."""
    title: str
    """What a person calls it."""
    formula: str
    """In plain signs, p = sigmoid(logits) and t the target."""
    source: str
    """Paper and equation."""
    compute: LossFunction
    """(logits (b, o, y, x), target (b, o, y, x) in {0, 1}, valid (b, 1, y, x) bool) -> scalar, always float32.

    Pixels that are not valid have no influence on the value or the gradient, whatever their logits and targets hold.
    """


def load_loss(name: str) -> Loss:
    """The loss of that name; an unknown one raises UsageError with the nearest known name."""
    loss: Loss = LOSSES.load(name).LOSS
    return loss
