import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seg.models.norms import statistics_held
from seg.models.sharing import Sharing
from seg.models.whole_batch_norm import WholeBatchNorms


class _Recorded(Sharing):
    """The second of two processes; what the first one says was noted before, in the order of the questions."""

    number, count = 1, 2

    def __init__(self, said: list[Tensor]) -> None:
        self._said = list(said)

    def rows(self, own: Tensor) -> Tensor:
        return torch.cat([self._said.pop(0), own])

    def total(self, own: Tensor) -> Tensor:
        return self._said.pop(0) + own


class _Noting(Sharing):
    """A process whose words are noted."""

    def __init__(self) -> None:
        self.said: list[Tensor] = []

    def rows(self, own: Tensor) -> Tensor:
        self.said.append(own)
        return own

    def total(self, own: Tensor) -> Tensor:
        self.said.append(own.clone())
        return own


def _norm(channels: int = 3) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).double()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    return norm


def _images(rows: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return (torch.randn(rows, 3, 4, 5) * 3 + 1).double().requires_grad_()


def _backward(norm: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Output, and gradients of a loss that is no plain sum."""
    found = norm(images)
    wish = torch.linspace(-1, 1, found.numel(), dtype=found.dtype).view_as(found)
    gradients = torch.autograd.grad((found * wish).sum(), [images, *norm.parameters()])
    return (found.detach(), *gradients)


def test_alone_it_is_the_norm_it_takes_the_place_of():
    plain, images = _norm(), _images(6)
    copied = _norm()
    copied.load_state_dict(plain.state_dict())
    expected = _backward(plain, images)
    with WholeBatchNorms(Sharing()):
        found = _backward(copied, images)
    assert all(torch.allclose(one, other, atol=1e-12) for one, other in zip(expected, found, strict=True))
    for name, kept in plain.state_dict().items():
        assert torch.allclose(kept, copied.state_dict()[name], atol=1e-12), name


def test_a_process_normalises_its_rows_by_the_rows_of_all():
    norm, whole = _norm(), _images(8)
    first, second = (part.detach() for part in whole.chunk(2))
    noting = _Noting()
    with WholeBatchNorms(noting), statistics_held(norm):
        norm(first)
    expected = norm(whole)[4:]
    kept = norm.running_var.clone()
    norm.reset_running_stats()
    with WholeBatchNorms(_Recorded(noting.said)):
        found = norm(second)
    assert torch.allclose(found, expected, atol=1e-12)
    # Unbiased over all 160 values of the whole batch; over one's own 80 it would be 0.6 % larger.
    assert torch.allclose(norm.running_var, kept, atol=1e-12)


def test_gradients_agree_with_finite_differences():
    images = _images(3)
    norm = _norm()

    def normalised(values: Tensor) -> Tensor:
        with WholeBatchNorms(Sharing()):
            return F.batch_norm(values, None, None, norm.weight, norm.bias, training=True)

    assert torch.autograd.gradcheck(normalised, (images,))


def test_norms_without_weights_have_no_gradients_for_them():
    norm, images = nn.BatchNorm2d(3, affine=False), _images(4).float().detach().requires_grad_()
    expected = torch.autograd.grad(norm(images).square().sum() + norm(images)[0].sum(), images)
    with WholeBatchNorms(Sharing()):
        found = torch.autograd.grad(norm(images).square().sum() + norm(images)[0].sum(), images)
    assert torch.allclose(expected[0], found[0], atol=1e-5)


def test_in_evaluation_nothing_is_asked_of_the_others():
    norm, noting = _norm().eval(), _Noting()
    images = _images(2)
    with WholeBatchNorms(noting):
        found = norm(images)
    assert torch.equal(found, norm(images))
    assert noting.said == []


def test_held_statistics_stay():
    norm = _norm()
    with WholeBatchNorms(Sharing()), statistics_held(norm):
        norm(_images(2))
    assert torch.equal(norm.running_mean, torch.zeros(3).double())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_comes_back_as_such_but_sums_are_precise(kind):
    norm = nn.BatchNorm2d(3)
    images = (torch.rand(4, 3, 64, 64) + 100).to(kind).requires_grad_()
    with WholeBatchNorms(Sharing()):
        found = norm(images)
    found.float().square().sum().backward()
    assert (found.dtype, images.grad.dtype) == (kind, kind)
    # 16384 values around 100 in half precision would sum to infinity, or to 2 % off.
    assert norm.running_mean == pytest.approx(0.1 * images.float().mean((0, 2, 3)).detach(), rel=1e-4)
