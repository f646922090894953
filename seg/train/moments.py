"""The optimiser's memory as named tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments as `<parameter number>.<name>`; learning rates follow from the step and are not kept."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` gave."""
    whole = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = _laid_out_like(parameters[int(number)], value)
    optimizer.load_state_dict({**whole, "state": state})


def _laid_out_like(parameter: Tensor, moment: Tensor) -> Tensor:
    # The fused optimiser walks through memory, so a moment must lie there in the order of its parameter.
    return torch.empty_like(parameter).copy_(moment) if moment.shape == parameter.shape else moment


def moments_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Memory of AdamW's two moments, which are there only after the first step."""
    moved = (parameter for group in optimizer.param_groups for parameter in group["params"])
    return sum(2 * parameter.numel() * parameter.element_size() for parameter in moved)
