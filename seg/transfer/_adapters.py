"""Low-rank adapters of layers: which layers can have one, how they get it, and how it is merged into their weights."""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

_NAME = "default"
_FACTOR = re.compile(r"\.lora_[AB]\.")


def can_be_adapted(module: nn.Module) -> bool:
    """Whether the layer learns, and a low-rank product can be added to its weight, exactly.

    Left out are convolutions in groups, which peft cannot merge, and whose depthwise kind has kernels of one channel
    with no rank to lower; dilated ones, since peft's factors are not; and layers of classes that compute
    otherwise than nn.Conv2d and nn.Linear.
    """
    if type(module) is nn.Conv2d:
        plain = module.groups == 1 and set(module.dilation) == {1} and module.padding_mode == "zeros"
        return plain and module.weight.requires_grad
    return type(module) is nn.Linear and module.weight.requires_grad


def insert_adapters(network: nn.Module, layers: Sequence[str], *, rank: int, alpha: float, dropout: float) -> None:
    """Give the named layers of `network` adapters; everything else of it stops learning.

    Source: Hu et al. 2022 (LoRA), section 4.1: W x + alpha / rank * B A x, with A random and B zero.
    """
    from peft import LoraConfig, inject_adapter_in_model

    # As one pattern: peft takes a list of names for endings, which would match other layers too.
    pattern = "|".join(re.escape(layer) for layer in layers)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=pattern, bias="none")
    inject_adapter_in_model(config, network, adapter_name=_NAME)


def is_factor(name: str) -> bool:
    """Whether a tensor of that name is A or B of an adapter."""
    return _FACTOR.search(name) is not None


def merged(tensors: Mapping[str, Tensor], layers: Sequence[str], scale: float) -> dict[str, Tensor]:
    """New tensors under the names they have without adapters: W + scale * B A for the adapted `layers`.

    The sum is made in float64, for the precision of a GPU's convolutions is a setting.
    """
    plain = {_plain_name(name, layers): tensor for name, tensor in tensors.items() if not is_factor(name)}
    for layer in layers:
        down, up = (tensors[f"{layer}.lora_{letter}.{_NAME}.weight"].double().flatten(1) for letter in "AB")
        weight = plain[f"{layer}.weight"]
        whole = weight.double() + scale * (up @ down).reshape(weight.shape)
        plain[f"{layer}.weight"] = whole.to(weight.dtype)
    return plain


def _plain_name(name: str, layers: Sequence[str]) -> str:
    layer, _, rest = name.rpartition(".base_layer.")
    return f"{layer}.{rest}" if layer in layers else name
