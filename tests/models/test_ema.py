import math
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from seg.models.ema import Ema, decay_from_half_life, half_life_of


def small_network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(dtype)


def scrambled(model: nn.Module, step: int, size: float = 1.0) -> None:
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for values in [*model.parameters(), *model.buffers()]:
            if values.is_floating_point():
                values.copy_(size * torch.randn(values.shape, generator=generator, dtype=torch.float64))
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


@pytest.mark.parametrize("update_every", [1, 4])
def test_parameters_and_float_buffers_of_a_network_s_size_equal_the_closed_form_to_1e_7(update_every):
    """Weights of networks are a tenth and less, unlike those of the other tests."""
    model = small_network(torch.float32)
    ema = Ema(model, 0.9, update_every=update_every)
    decays = [min(1 - 1 / (step + 1), 0.9) for step in range(40)]
    expected: dict[str, Tensor] = {}
    for step in range(40):
        scrambled(model, step, 0.1)
        ema.update(model)
        if (step + 1) % update_every == 0:
            keep = math.prod(decays[step + 1 - update_every : step + 1])
            for name, values in model.state_dict().items():
                expected[name] = keep * expected.get(name, torch.zeros(())) + (1 - keep) * values.double()
    averages = {name: average for name, average in ema.module.state_dict().items() if average.is_floating_point()}
    assert "1.running_var" in averages
    assert max(float((average.double() - expected[name]).abs().max()) for name, average in averages.items()) <= 1e-7


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


def test_an_interval_that_changes_on_the_way_leaves_no_step_out_and_counts_none_twice():
    """A time budget makes a run shorter, and with it the interval."""
    model = small_network()
    ema = Ema(model, 0.8, update_every=5)
    seen = follow(ema, model, 7)
    ema.update_every = 3
    scrambled(model, 7)
    ema.update(model)
    keep = math.prod(min(1 - 1 / (step + 1), 0.8) for step in range(5, 8))
    expected = keep * seen[4]["0.weight"] + (1 - keep) * model.state_dict()["0.weight"]
    assert torch.allclose(ema.module.state_dict()["0.weight"], expected, rtol=0, atol=1e-12)


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


def test_the_half_life_of_a_decay_is_the_one_that_it_came_from():
    assert half_life_of(decay_from_half_life(37.5)) == pytest.approx(37.5)
    assert half_life_of(0.0) == 0.0


def _scans(seed: int) -> tuple[Tensor, Tensor]:
    """Discs on a noisy ground, far from zero mean and unit variance, and where the discs are."""
    random = torch.Generator().manual_seed(seed)
    place = torch.arange(20.0)
    centre = torch.rand(8, 2, 1, generator=random) * 10 + 5
    down, across = (place - centre[:, axis] for axis in range(2))
    disc = (down[:, :, None] ** 2 + across[:, None, :] ** 2 < 20)[:, None].float()
    return 40 + 8 * disc + 2 * torch.randn(disc.shape, generator=random), disc


def _dice(network: nn.Module, images: Tensor, masks: Tensor) -> float:
    with torch.no_grad():
        found = (network(images) > 0).float()
    return float(2 * (found * masks).sum() / (found.sum() + masks.sum()))


def _student_and_teacher(forget: Callable[[nn.Module], None]) -> tuple[float, float]:
    """Dice of both after a toy training; `forget` is told of the averaged network after every step."""
    torch.manual_seed(0)
    student = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1),
    )  # fmt: skip
    teacher = Ema(student, decay_from_half_life(5))
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.02)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)
    for step in range(60):
        images, masks = _scans(step)
        nn.functional.binary_cross_entropy_with_logits(student(images), masks).backward()
        optimizer.step()
        optimizer.zero_grad()
        slower.step()
        teacher.update(student)
        forget(teacher.module)
    return _dice(student.eval(), *_scans(1000)), _dice(teacher.module, *_scans(1000))


def _first_statistics(network: nn.Module) -> None:
    """Of an average that leaves buffers alone."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()


def test_a_teacher_with_batch_norms_is_as_good_as_its_student():
    student, teacher = _student_and_teacher(lambda _: None)
    assert student > 0.9
    assert abs(teacher - student) <= 0.02


def test_the_toy_tells_an_average_of_parameters_alone_from_one_of_buffers_too():
    student, teacher = _student_and_teacher(_first_statistics)
    assert teacher < student - 0.3
