"""Parameter groups that several components make alike."""

from collections.abc import Sequence

from torch.nn import Parameter

from seg.models.network import SegNetwork
from seg.transfer.component import ParameterGroup


def by_decay(name: str, parameters: Sequence[Parameter], lr_factor: float) -> list[ParameterGroup]:
    """What of `parameters` learns, with and without weight decay; vectors are biases and norm weights."""
    matrices = [p for p in parameters if p.ndim > 1 and p.requires_grad]
    vectors = [p for p in parameters if p.ndim <= 1 and p.requires_grad]
    groups = [
        ParameterGroup(name, matrices, lr_factor),
        ParameterGroup(f"{name}, no decay", vectors, lr_factor, False),
    ]
    return [group for group in groups if group.parameters]


def encoder_and_rest(network: SegNetwork, encoder_lr_factor: float) -> list[ParameterGroup]:
    """Encoder and rest, each with and without weight decay."""
    rest = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    return [
        *by_decay("encoder", list(network.encoder.parameters()), encoder_lr_factor),
        *by_decay("decoder and heads", rest, 1.0),
    ]
