"""Too little memory, injected: which settings the message names."""

import mmap
from types import SimpleNamespace

import pytest
import torch

from seg.errors import ResourceError
from seg.overrides import resolve
from seg.train.memory import is_out_of_memory, memory_of, step_memory, to_come_bytes, validation_memory

GIB = 2**30
RAM_IS_OUT = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes. Error code 12"


class _Memory:
    """Holds `before`, then `after`, of `size` GiB."""

    name = "memory"

    def __init__(self, size: float, before: float, after: float) -> None:
        self.size = size
        self.held = iter([before, after, after])

    def used(self) -> int:
        self.now = int(next(self.held) * GIB)
        return self.now

    def free(self) -> int:
        return int(self.size * GIB) - self.now


def _training(*words: str, device: str = "cpu", precision: str = "bf16", parameters: int = 0) -> SimpleNamespace:
    network = torch.nn.Linear(max(1, parameters // 4), 1, bias=False)
    optimizer = torch.optim.AdamW(network.parameters())
    return SimpleNamespace(
        settings=resolve(["train.batch_size=8", "prepare.size_px=256", *words]), optimizer=optimizer,
        device=torch.device(device), precision=SimpleNamespace(name=precision),
    )  # fmt: skip


def _fix(training: SimpleNamespace, memory: _Memory, error: Exception, around=step_memory) -> str:
    with pytest.raises(ResourceError) as short, around(training, memory):
        raise error
    assert (short.value.code, short.value.exit_code) == ("out-of-memory", 4)
    assert short.value.__cause__ is error
    assert "the checkpoint is untouched" in short.value.fix
    return short.value.fix


@pytest.mark.parametrize(
    ("memory", "batch"),
    [
        # 1 GiB is fixed, 8 slices wanted 20 more and 5 are there: a quarter fits.
        (_Memory(6.1, 1, 20), "train.batch_size=2 "),
        # Nearly all of it fits, but the step had not come far.
        (_Memory(10, 1, 9.5), "train.batch_size=4 "),
        (_Memory(4, 1, 20), "train.batch_size=1 "),
    ],
    ids=["a quarter", "at most half", "one slice"],
)
def test_the_batch_that_fits_follows_from_what_was_asked_for(memory: _Memory, batch: str) -> None:
    assert f"start again with {batch}" in _fix(_training(), memory, RuntimeError(RAM_IS_OUT))


def test_where_no_slice_fits_smaller_ones_may() -> None:
    # A slice needs 2.5 GiB and has 1.1: 0.44 of its pixels, a side of 0.66.
    fix = _fix(_training(), _Memory(2.1, 1, 20), RuntimeError(RAM_IS_OUT))
    assert "start again with train.batch_size=1, prepare.size_px=160 (" in fix
    alone = _fix(_training("train.batch_size=1"), _Memory(2.1, 1, 2.4), RuntimeError(RAM_IS_OUT))
    assert "start again with prepare.size_px=160 (" in alone


def test_where_not_even_the_weights_fit_the_network_is_too_large() -> None:
    fix = _fix(_training(), _Memory(1, 1, 1.5), MemoryError())
    assert "train.batch_size=1, a smaller model.encoder" in fix


def test_every_batch_size_that_is_set_shrinks_alike() -> None:
    training = _training("train.unlabelled_batch_size=12", "train.source_batch_size=2")
    fix = _fix(training, _Memory(6.1, 1, 20), torch.OutOfMemoryError("Tried to allocate 1.00 GiB."))
    assert "train.batch_size=2, train.unlabelled_batch_size=3, train.source_batch_size=1 (" in fix


def test_single_precision_on_a_gpu_can_be_halved() -> None:
    error = torch.OutOfMemoryError("Tried to allocate 1024.00 MiB.")
    fix = _fix(_training(device="cuda", precision="fp32"), _Memory(6.1, 1, 20), error)
    assert "train.batch_size=2 or train.precision=bf16 (" in fix


def test_a_validation_needs_fewer_slices_per_pass() -> None:
    fix = _fix(_training("predict.batch_size=16"), _Memory(6.1, 1, 20), RuntimeError(RAM_IS_OUT), validation_memory)
    assert "start again with predict.batch_size=4 (" in fix


def test_gradients_and_moments_are_no_matter_of_the_batch() -> None:
    training = _training(parameters=400)
    assert to_come_bytes(training) == 3 * 400
    (parameter,) = training.optimizer.param_groups[0]["params"]
    parameter.grad = torch.zeros_like(parameter)
    training.optimizer.step()
    assert to_come_bytes(training) == 400


@pytest.mark.parametrize("around", [step_memory, validation_memory])
def test_other_errors_stay_what_they_are(around) -> None:
    with pytest.raises(RuntimeError, match="shapes"), around(_training(), _Memory(1, 1, 1)):
        raise RuntimeError("shapes do not match")


def test_real_allocations_that_fail_are_known() -> None:
    with pytest.raises(RuntimeError) as short:
        torch.empty(10**15)
    assert is_out_of_memory(short.value)
    with pytest.raises(ResourceError, match=r"RAM for a training step: 4000\d* GB and more"), step_memory(_training()):
        torch.empty(10**15)


def test_this_process_holds_memory_and_can_have_more() -> None:
    memory = memory_of(torch.device("cpu"))
    before = memory.used()
    # Pages of its own: an array might be put where freed ones were.
    with mmap.mmap(-1, 40_000_000) as block:
        block.write(bytes(len(block)))
        assert before + 30_000_000 < memory.used() < before + 200_000_000
        assert memory.free() > len(block)
