"""What every registered loss must do, whatever it computes."""

import pytest
import torch

from seg.losses import load_loss
from seg.registry import LOSSES

every_loss = pytest.mark.parametrize("name", LOSSES.names())


def example(organs=2, seed=0, batch=3, side=16):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, organs, side, side, generator=generator)
    target = (torch.rand(batch, organs, side, side, generator=generator) < 0.3).float()
    valid = torch.rand(batch, 1, side, side, generator=generator) < 0.8
    return logits.requires_grad_(), target, valid


@every_loss
def test_a_loss_says_what_it_is(name):
    loss = load_loss(name)
    assert loss.name == name
    assert loss.title
    assert loss.formula
    assert loss.source


@every_loss
def test_pixels_that_are_not_valid_have_no_influence_at_all(name):
    loss = load_loss(name).compute
    logits, target, valid = example()
    value = loss(logits, target, valid)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.equal(gradient[~valid.expand_as(gradient)], torch.zeros(int((~valid).sum()) * 2))
    assert gradient[valid.expand_as(gradient)].abs().min() > 0
    other = torch.where(valid, logits.detach(), float("nan")).requires_grad_()
    other_value = loss(other, torch.where(valid, target, float("nan")), valid)
    (other_gradient,) = torch.autograd.grad(other_value, other)
    assert torch.equal(value, other_value)
    assert torch.equal(gradient, other_gradient)


@every_loss
def test_leaving_pixels_out_equals_cutting_them_off(name):
    loss = load_loss(name).compute
    logits, target, _ = example()
    valid = torch.zeros(3, 1, 16, 16, dtype=torch.bool)
    valid[..., :10] = True
    everything = torch.ones(3, 1, 16, 10, dtype=torch.bool)
    assert torch.allclose(loss(logits, target, valid), loss(logits[..., :10], target[..., :10], everything), atol=1e-6)


@every_loss
def test_no_valid_pixel_gives_no_gradient(name):
    logits, target, valid = example()
    value = load_loss(name).compute(logits, target, torch.zeros_like(valid))
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert not gradient.any()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_a_large_batch_does_not_overflow(name, dtype):
    logits = torch.full((16, 1, 512, 512), 4.0, dtype=dtype, requires_grad=True)
    target = torch.ones(16, 1, 512, 512, dtype=dtype)
    value = load_loss(name).compute(logits, target, torch.ones(16, 1, 512, 512, dtype=torch.bool))
    value.backward()
    assert value.dtype == torch.float32
    assert 0 <= value.item() < 0.1
    assert torch.isfinite(logits.grad).all()


@every_loss
def test_autocast_changes_nothing(name):
    logits, target, valid = example()
    loss = load_loss(name).compute
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(logits, target, valid)
    assert torch.equal(inside, loss(logits, target, valid))


@every_loss
@pytest.mark.parametrize("full", [0.0, 1.0])
def test_all_empty_and_all_full_targets_are_finite_and_teach_the_right_way(name, full):
    logits, target, valid = example()
    value = load_loss(name).compute(logits, torch.full_like(target, full), torch.ones_like(valid))
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert (gradient > 0).all() if full == 0.0 else (gradient < 0).all()


@every_loss
def test_gradients_are_finite_at_extreme_logits(name):
    _, target, valid = example()
    logits = torch.where(torch.arange(16) % 2 == 0, 60_000.0, -60_000.0).expand(3, 2, 16, 16).clone().requires_grad_()
    value = load_loss(name).compute(logits, target, valid)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@every_loss
def test_a_perfect_prediction_costs_nothing_and_a_worse_one_more(name):
    _, target, valid = example()
    loss = load_loss(name).compute
    costs = [float(loss(strength * (2 * target - 1), target, valid)) for strength in (40.0, 2.0, 0.0, -2.0)]
    assert costs[0] == pytest.approx(0.0, abs=1e-4)
    assert costs == sorted(costs)


@every_loss
def test_organs_are_averaged_each_on_its_own(name):
    loss = load_loss(name).compute
    logits, target, valid = example(organs=3)
    logits = logits.detach()
    each = [float(loss(logits[:, organ : organ + 1], target[:, organ : organ + 1], valid)) for organ in range(3)]
    assert float(loss(logits, target, valid)) == pytest.approx(sum(each) / 3, abs=1e-6)
