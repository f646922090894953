import math

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from seg.models.ema import Ema, decay_from_half_life


def small_network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(dtype)


def scrambled(model: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for values in [*model.parameters(), *model.buffers()]:
            if values.is_floating_point():
                values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64))
            else:
                values.fill_(step + 1)


def follow(ema: Ema, model: nn.Module, steps: int) -> list[dict[str, torch.Tensor]]:
    seen = []
    for step in range(steps):
        scrambled(model, step)
        ema.update(model)
        seen.append({name: values.clone() for name, values in model.state_dict().items()})
    return seen


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 5e-7)])
def test_the_average_equals_its_closed_form(dtype, tolerance):
    model = small_network(dtype)
    ema = Ema(model, 0.9)
    seen = follow(ema, model, 30)
    decays = [min(1 - 1 / (step + 1), 0.9) for step in range(30)]
    weights = [(1 - decay) * math.prod(decays[step + 1 :]) for step, decay in enumerate(decays)]
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    for name, average in ema.module.state_dict().items():
        if average.is_floating_point():
            expected = sum(weight * state[name].double() for weight, state in zip(weights, seen, strict=True))
            assert float((average.double() - expected).abs().max()) < tolerance, name


def test_the_float32_average_of_one_step_is_exact_to_1e_7():
    model = small_network(torch.float32)
    ema = Ema(model, 0.9)
    first, second = follow(ema, model, 2)
    for name, average in ema.module.state_dict().items():
        if average.is_floating_point():
            assert torch.allclose(average, (first[name] + second[name]) / 2, rtol=0, atol=1e-7)


def test_decay_0_is_exactly_the_student():
    model = small_network(torch.float32)
    ema = Ema(model, 0.0)
    *_, last = follow(ema, model, 5)
    assert all(torch.equal(average, last[name]) for name, average in ema.module.state_dict().items())


def test_batch_norm_statistics_are_averaged_and_counters_copied():
    model = small_network()
    ema = Ema(model, 0.5)
    first, second = follow(ema, model, 2)
    state = ema.module.state_dict()
    assert torch.allclose(state["1.running_var"], (first["1.running_var"] + second["1.running_var"]) / 2)
    assert int(state["1.num_batches_tracked"]) == 2
    assert state["1.num_batches_tracked"].dtype == torch.int64


def test_the_average_starts_as_the_student():
    model = small_network()
    ema = Ema(model, 0.99)
    assert all(torch.equal(average, model.state_dict()[name]) for name, average in ema.module.state_dict().items())
    scrambled(model, 7)
    ema.update(model)
    assert all(torch.equal(average, model.state_dict()[name]) for name, average in ema.module.state_dict().items())


def test_the_averaged_network_neither_learns_nor_trains():
    ema = Ema(small_network(), 0.9)
    assert not any(values.requires_grad for values in ema.module.parameters())
    assert not ema.module.training


def test_a_constant_student_is_reached_exactly():
    model = small_network(torch.float32)
    ema = Ema(model, 0.9)
    for _ in range(50):
        ema.update(model)
    assert all(torch.equal(average, model.state_dict()[name]) for name, average in ema.module.state_dict().items())


def test_looking_every_third_step_applies_three_decays():
    model = small_network()
    ema = Ema(model, 0.8, update_every=3)
    seen = follow(ema, model, 31)
    average, looks = None, range(2, 31, 3)
    for look in looks:
        keep = math.prod(min(1 - 1 / (step + 1), 0.8) for step in range(look - 2, look + 1))
        now = seen[look]["0.weight"]
        average = now if average is None else keep * average + (1 - keep) * now
    assert torch.allclose(ema.module.state_dict()["0.weight"], average, rtol=0, atol=1e-12)


@pytest.mark.parametrize("update_every", [1, 4])
def test_a_restored_average_goes_on_bit_for_bit(update_every):
    model = small_network(torch.float32)
    straight = Ema(model, 0.9, update_every=update_every)
    follow(straight, model, 5)
    kept = load(save(straight.state_dict()))
    follow(straight, model, 6)
    other = small_network(torch.float32)
    resumed = Ema(other, 0.9, update_every=update_every)
    resumed.load_state_dict(kept)
    follow(resumed, other, 6)
    assert all(torch.equal(values, resumed.state_dict()[name]) for name, values in straight.state_dict().items())


def test_half_of_an_old_weight_is_left_after_the_half_life():
    assert decay_from_half_life(69) ** 69 == pytest.approx(0.5)
    assert decay_from_half_life(69) == pytest.approx(0.99, abs=1e-4)
    assert decay_from_half_life(0) == 0.0
