import pytest
import torch

from seg.errors import UsageError
from seg.train.precision import Precision, choose_device, choose_precision, set_tf32

CPU = torch.device("cpu")


def _network() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1, bias=False)
    return network, torch.optim.SGD(network.parameters(), lr=1.0)


def test_a_large_gradient_is_clipped_to_the_norm() -> None:
    network, optimizer = _network()
    before = network.weight.detach().clone()
    precision = Precision("fp32", CPU, clip_norm=0.5)
    precision.backward((network.weight * 100).sum())
    assert precision.step(optimizer)
    assert float((network.weight.detach() - before).norm()) == pytest.approx(0.5, rel=1e-4)


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    network, optimizer = _network()
    before = network.weight.detach().clone()
    precision = Precision("fp32", CPU, None)
    precision.backward((network.weight * float("inf")).sum())
    with pytest.raises(FloatingPointError):
        precision.step(optimizer)
    assert torch.equal(network.weight, before)
    assert network.weight.grad is None


def test_an_overflow_in_fp16_skips_the_step_halves_the_scale_and_is_counted() -> None:
    network, optimizer = _network()
    before = network.weight.detach().clone()
    precision = Precision("fp16", CPU, None)
    precision.backward((network.weight * float("inf")).sum())
    scale = precision.state()["scale"]
    assert not precision.step(optimizer)
    assert torch.equal(network.weight, before)
    assert precision.skipped_steps == 1
    assert precision.state()["scale"] == scale / 2
    precision.backward(network.weight.sum())
    assert precision.step(optimizer)
    assert not torch.equal(network.weight, before)


def test_a_gradient_that_no_scale_makes_finite_is_an_error_in_fp16_too() -> None:
    network, optimizer = _network()
    precision = Precision("fp16", CPU, None)
    while precision.scale > 1:
        precision.backward((network.weight * float("nan")).sum())
        assert not precision.step(optimizer)
    assert precision.skipped_steps == 16
    precision.backward((network.weight * float("nan")).sum())
    with pytest.raises(FloatingPointError):
        precision.step(optimizer)
    assert (precision.scale, precision.skipped_steps) == (1.0, 16)


def test_a_norm_that_overflows_without_its_gradients_is_no_fault_of_the_scale() -> None:
    network, optimizer = _network()
    precision = Precision("fp16", CPU, clip_norm=1.0)
    precision.backward((network.weight * 1e30).sum())
    with pytest.raises(FloatingPointError):
        precision.step(optimizer)
    assert precision.skipped_steps == 0


@pytest.mark.parametrize("fused", [False, True])
def test_the_scale_changes_no_step(fused: bool) -> None:
    weights = []
    for name in ("fp32", "fp16"):
        network = torch.nn.Linear(3, 1)
        with torch.no_grad():
            network.weight.fill_(0.5)
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, fused=fused)
        precision = Precision(name, CPU, clip_norm=1.0)
        for _ in range(3):
            precision.backward((network.weight * torch.tensor([1.0, 2.0, 4.0])).sum())
            assert precision.step(optimizer)
        weights.append(network.weight.detach())
    # A power of two scales without rounding.
    assert torch.equal(*weights)


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_what_the_setting_says_for_multiplications_and_convolutions(allowed: bool) -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    try:
        set_tf32(allowed)
        assert torch.backends.cudnn.allow_tf32 is allowed
        assert torch.backends.cuda.matmul.allow_tf32 is allowed
        with torch.backends.cudnn.flags(allow_tf32=False):
            assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def test_the_scaler_goes_on_where_it_was_saved() -> None:
    network, optimizer = _network()
    precision = Precision("fp16", CPU, None)
    precision.backward((network.weight * float("inf")).sum())
    precision.step(optimizer)
    resumed = Precision("fp16", CPU, None)
    resumed.load_state(precision.state())
    assert resumed.state() == precision.state()
    plain = Precision("bf16", CPU, None)
    plain.load_state(plain.state())
    assert plain.skipped_steps == 0


def test_autocast_computes_in_the_named_format() -> None:
    matrix = torch.ones(4, 4)
    with Precision("bf16", CPU, None).autocast():
        assert (matrix @ matrix).dtype == torch.bfloat16
    with Precision("fp32", CPU, None).autocast():
        assert (matrix @ matrix).dtype == torch.float32


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(UsageError, match="fp16"):
        choose_precision("fp16", CPU)


def test_auto_takes_bf16_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from seg.train import precision

    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)
    assert choose_precision("auto", CPU) == "bf16"
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(UsageError, match="no GPU"):
        choose_device("cuda")
