"""Which number format a step computes in, and the optimiser step that goes with it."""

import warnings
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from seg.errors import UsageError

Name = Literal["auto", "fp32", "bf16", "fp16"]

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(wish: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to work on; cuda without a GPU raises UsageError."""
    if wish == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            found="train.device=cuda, but torch sees no GPU", expected="a CUDA device", code="no-gpu",
            fix="check the driver, or use train.device=auto",
        )  # fmt: skip
    if wish == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")  # gpu-only


def choose_precision(wish: Name, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """What auto means on a device: bf16 where its arithmetic is in hardware, else fp16 on CUDA, else fp32."""
    if wish == "fp16" and device.type == "cpu":
        raise UsageError(
            found="train.precision=fp16 on a CPU", expected="fp32 or bf16 there", code="bad-value",
            fix="use train.precision=auto",
        )  # fmt: skip
    if wish != "auto":
        return wish
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"  # gpu-only
    return "bf16" if _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    # Without these instructions bf16 is emulated, which is slower than fp32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def set_tf32(allowed: bool) -> None:
    """Whether a GPU may round what fp32 multiplies and convolutions read to 10 bits of fraction; for the process."""
    with warnings.catch_warnings():
        # Some versions of torch warn of these two. Once the newer settings are used, torch's own code that reads these
        # two raises: `torch.backends.cudnn.flags`, and the compiler for batched multiplications.
        warnings.simplefilter("ignore")
        torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cuda.matmul.allow_tf32 = allowed


class Precision:
    """Autocast for the forward pass; scaling, clipping and the check for overflow around the optimiser step."""

    def __init__(self, name: Literal["fp32", "bf16", "fp16"], device: torch.device, clip_norm: float | None) -> None:
        """Gradients are only scaled for fp16, whose smallest numbers they would fall below."""
        self.name = name
        self._device = device
        self._clip_norm = clip_norm
        self._scaler = GradScaler(device.type, enabled=name == "fp16")
        self.skipped_steps = 0

    def autocast(self) -> AbstractContextManager[None]:
        """The context of a forward pass."""
        return torch.autocast(self._device.type, _TYPES[self.name], enabled=self.name != "fp32")

    def backward(self, loss: Tensor) -> None:
        """Gradients of the (scaled) loss."""
        torch.autograd.backward(self._scaler.scale(loss))

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Clip and step everything that the optimiser moves; False when the step was skipped, with nothing moved.

        It is skipped where a gradient that was scaled for fp16 overflowed; the scale is then halved.
        Raises FloatingPointError, with nothing moved, where no scale is to blame for a gradient that is not finite.
        """
        self._scaler.unscale_(optimizer)
        limit = self._clip_norm or float("inf")
        moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(moved, limit, foreach=True)
        if not bool(torch.isfinite(norm)):
            self._skip(optimizer)
            return False
        self._scaler.step(optimizer)
        self._scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return True

    def _skip(self, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        before = self.scale
        if before > 1:
            # Halves it where `unscale_` met a number that is not finite.
            self._scaler.update()
        if self.scale >= before:
            raise FloatingPointError("a gradient")
        self.skipped_steps += 1

    @property
    def scale(self) -> float:
        """What the loss is multiplied by before its gradient is taken."""
        return float(self._scaler.get_scale())

    def state(self) -> dict[str, float]:
        """What a resume must restore."""
        return {**{key: float(value) for key, value in self._scaler.state_dict().items()},
                "skipped_steps": float(self.skipped_steps)}  # fmt: skip

    def load_state(self, state: dict[str, float]) -> None:
        """Restore what `state` gave."""
        self.skipped_steps = int(state["skipped_steps"])
        scaler = {key: value for key, value in state.items() if key != "skipped_steps"}
        if scaler:
            scaler["growth_interval"], scaler["_growth_tracker"] = (
                int(scaler["growth_interval"]), int(scaler["_growth_tracker"])
            )  # fmt: skip
            self._scaler.load_state_dict(scaler)
