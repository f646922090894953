import pytest
import torch

from seg.transfer._gradient_reversal import reverse_gradient


@pytest.mark.parametrize("factor", [1.0, 0.3, 0.0])
def test_values_pass_and_gradients_turn_round(factor) -> None:
    values = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (plain,) = torch.autograd.grad(values.sin().prod(), values)
    turned = reverse_gradient(values, factor)
    assert torch.equal(turned, values)
    (found,) = torch.autograd.grad(turned.sin().prod(), values)
    assert torch.equal(found, -factor * plain)


def test_what_follows_it_learns_as_ever() -> None:
    values, weight = torch.ones(2, requires_grad=True), torch.full((2,), 3.0, requires_grad=True)
    (reverse_gradient(values, 0.5) * weight).sum().backward()
    assert weight.grad.tolist() == [1, 1]
    assert values.grad.tolist() == [-1.5, -1.5]
