"""Too little memory, said with what would fit."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from seg.config import Settings
from seg.data.machine import free_ram_bytes, gigabytes
from seg.errors import ResourceError
from seg.models.network import SIZE_STEP
from seg.train.moments import moments_bytes
from seg.train.training import Training

_UNITS = {"bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50}
_ASKED_FOR = re.compile(r"allocate ([\d.]+) (bytes|[KMGTP]iB)", re.IGNORECASE)
_RAM_IS_OUT = ("can't allocate memory", "not enough memory")
"""What torch's allocator of the computer's own memory says, in a plain RuntimeError."""
_AT_MOST = 0.5
"""Of the batch that failed: a step that failed early had not yet shown all it needs."""
_RESUME = "or free memory and go on with `seg train --resume`; the checkpoint is untouched"


class Memory(Protocol):
    """The memory of a device."""

    name: str

    def used(self) -> int:
        """Bytes that this program holds."""
        ...

    def free(self) -> int:
        """Bytes that it could have beside them."""
        ...


class _Ram:
    name = "RAM"

    def used(self) -> int:
        # Without this file, as on macOS, the failing allocation alone counts.
        status = Path("/proc/self/status")
        lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def free(self) -> int:
        return free_ram_bytes() or 0


class _Gpu:  # gpu-only
    name = "GPU memory"

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def used(self) -> int:
        return torch.cuda.memory_allocated(self._device)

    def free(self) -> int:
        unused = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return torch.cuda.mem_get_info(self._device)[0] + unused


def memory_of(device: torch.device) -> Memory:
    """The memory that tensors of a device lie in."""
    return _Gpu(device) if device.type == "cuda" else _Ram()


@contextmanager
def step_memory(training: Training, memory: Memory | None = None) -> Iterator[None]:
    """Around a training step: too little memory becomes a ResourceError that says what would fit."""
    memory = memory or memory_of(training.device)
    before = memory.used()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        shortage = _shortage(memory, before, to_come_bytes(training), error)
        raise too_little("a training step", shortage, _smaller_step(training, shortage.share)) from error


@contextmanager
def validation_memory(training: Training, memory: Memory | None = None) -> Iterator[None]:
    """Around a validation: likewise."""
    memory = memory or memory_of(training.device)
    before = memory.used()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        shortage = _shortage(memory, before, 0, error)
        size = max(1, math.floor(training.settings.predict.batch_size * shortage.share))
        raise too_little("a validation", shortage, f"predict.batch_size={size}") from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _RAM_IS_OUT)


@dataclass(frozen=True)
class Shortage:
    """What was there and what was asked for, in bytes."""

    memory: str
    available: int
    """All that the program could have."""
    fixed: int
    """What it needs whatever the batch."""
    asked: int
    """What it had and what it asked for when memory ran out."""

    @property
    def share(self) -> float:
        """The share of the batch that fits at most, if what is not fixed grows in proportion to it."""
        varying = max(1, self.asked - self.fixed)
        return max(0.0, min(_AT_MOST, (self.available - self.fixed) / varying))


def too_little(what: str, shortage: Shortage, smaller: str) -> ResourceError:
    """The error of a shortage, with the settings that would fit."""
    found = f"too little {shortage.memory} for {what}: {gigabytes(shortage.asked)} and more at once"
    return ResourceError(
        found=found, expected=f"at most {gigabytes(shortage.available)}", code="out-of-memory",
        fix=f"start again with {smaller} (the most that could fit, by a linear estimate), {_RESUME}",
    )  # fmt: skip


def to_come_bytes(training: Training) -> int:
    """What every step adds whatever its batch, and is not there before it: gradients, and at first AdamW's moments."""
    moments = moments_bytes(training.optimizer)
    return moments // 2 + (0 if training.optimizer.state else moments)


def _shortage(memory: Memory, before: int, to_come: int, error: Exception) -> Shortage:
    now = memory.used()
    asked = now + (_asked_for(str(error)) or 1)
    return Shortage(memory.name, now + memory.free(), before + to_come, max(asked, before + to_come))


def _asked_for(message: str) -> int:
    found = _ASKED_FOR.search(message)
    return int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0


def _smaller_step(training: Training, share: float) -> str:
    settings = training.settings
    batch = settings.train.batch_size
    wider = " or train.precision=bf16" * (training.device.type == "cuda" and training.precision.name == "fp32")
    if math.floor(batch * share) >= 1:
        return ", ".join(_batch_words(settings, share)) + wider
    size = _smaller_size(settings.prepare.size_px, share * batch)
    others = [word for word in _batch_words(settings, 1 / batch) if word != f"train.batch_size={batch}"]
    sizes = [f"prepare.size_px={size}"] if size else ["a smaller model.encoder"]
    return ", ".join([*others, *sizes]) + wider


def _batch_words(settings: Settings, share: float) -> list[str]:
    """Every batch size that is set, by that share smaller; the others follow the first."""
    train = settings.train
    set_sizes = {
        "train.batch_size": train.batch_size,
        "train.unlabelled_batch_size": train.unlabelled_batch_size,
        "train.source_batch_size": train.source_batch_size,
    }
    return [f"{name}={max(1, math.floor(size * share))}" for name, size in set_sizes.items() if size is not None]


def _smaller_size(size_px: int, share: float) -> int | None:
    """The side of a square with that share of the pixels; None where so small a one says nothing."""
    side = math.floor(size_px * math.sqrt(share) / SIZE_STEP) * SIZE_STEP
    return side if side >= 2 * SIZE_STEP else None
