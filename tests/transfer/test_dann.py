from collections.abc import Callable

import numpy as np
import pytest
import torch

from seg.config import Model
from seg.models.network import build_network
from seg.models.weights import WeightReport
from seg.transfer._discriminator import Discriminator, domain_accuracy, domain_cross_entropy
from seg.transfer._samples import Samples
from seg.transfer.dann import Dann, DannSettings

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))


def _vectors(count: int, shift: float = 0.0, seed: int = 0, channels: int = 64) -> torch.Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed)) + shift


def _samples(vectors: torch.Tensor) -> Samples:
    return Samples(vectors, torch.arange(len(vectors)))


@pytest.fixture
def made(task_of: Callable[..., object]) -> Callable[..., Dann]:
    network, _ = build_network(MODEL, 1, 3)

    def make(*words: str, **knobs: object) -> Dann:
        dann = Dann(task_of(*words), DannSettings(at="early", **knobs))
        dann.prepare(network, WeightReport("none"))
        return dann

    return make


def test_the_domains_count_alike_however_many_samples_they_have() -> None:
    source, target = np.array([-1.0, 0.5, 2.0]), np.array([3.0])
    expected = (np.mean(np.log1p(np.exp(source))) + np.mean(np.log1p(np.exp(-target)))) / 2
    pair = torch.tensor(source), torch.tensor(target)
    assert float(domain_cross_entropy(*pair)) == pytest.approx(expected)
    assert float(domain_accuracy(*pair)) == pytest.approx((1 / 3 + 1) / 2)


def test_the_discriminator_learns_at_its_full_rate_and_features_get_the_reversed_share(made) -> None:
    dann = made()
    source, target = _vectors(6).requires_grad_(), _vectors(4, 1.0, 1).requires_grad_()
    (group, vectors) = dann.own_groups()
    weights = [*group.parameters, *vectors.parameters]
    found = torch.autograd.grad(dann.term(_samples(source), _samples(target), 0.2), [source, target, *weights])
    plain = domain_cross_entropy(dann._discriminator(source), dann._discriminator(target))
    expected = torch.autograd.grad(plain, [source, target, *weights])
    for mine, theirs in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(mine, -0.2 * theirs)
    for mine, theirs in zip(found[2:], expected[2:], strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_discriminator_has_own_groups_with_its_own_rate_and_no_norm(made) -> None:
    groups = made(hidden=16, lr_factor=3.0).own_groups()
    assert [(group.lr_factor, group.weight_decay) for group in groups] == [(3.0, True), (3.0, False)]
    assert sorted(tuple(p.shape) for group in groups for p in group.parameters) == [(1,), (1, 16), (16,), (16, 64)]
    assert not any("Norm" in type(module).__name__ for module in Discriminator(4, 4, 0).modules())


def test_the_seed_alone_decides_the_first_weights(made) -> None:
    torch.manual_seed(1)
    one = made().state_dict()
    before = torch.random.get_rng_state()
    two, other = made().state_dict(), made("train.seed=5").state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["hidden.weight"], other["hidden.weight"])


def test_its_state_comes_back_into_the_parameters_that_learn(made) -> None:
    learned, resumed = made(), made()
    parameters = [p for group in resumed.own_groups() for p in group.parameters]
    with torch.no_grad():
        for parameter in learned._discriminator.parameters():
            parameter.add_(1)
    resumed.load_state_dict({name: tensor.clone() for name, tensor in learned.state_dict().items()})
    assert {id(p) for p in parameters} == {id(p) for p in resumed._discriminator.parameters()}
    pair = _samples(_vectors(3)), _samples(_vectors(3, seed=1))
    assert torch.equal(learned.term(*pair, 1.0), resumed.term(*pair, 1.0))


def test_how_often_it_is_right_can_be_read(made) -> None:
    dann = made()
    assert dann.readings() == {}
    source, target = _samples(_vectors(5)), _samples(_vectors(5, 1.0, 1))
    dann.term(source, target, 1.0)
    logits = [dann._discriminator(side.vectors) for side in (source, target)]
    assert dann.readings() == {"dann/accuracy": float(domain_accuracy(*logits))}


def test_a_side_without_samples_gives_0(made) -> None:
    dann = made()
    dann.term(_samples(_vectors(3)), _samples(_vectors(3)), 1.0)
    assert float(dann.term(_samples(_vectors(0)), _samples(_vectors(3)), 1.0)) == 0
    assert dann.readings() == {}


@pytest.mark.parametrize(("strength", "low", "high"), [(0.0, 0.9, 1.0), (1.0, 0.3, 0.75)])
def test_features_that_learn_against_it_cannot_be_told_apart(made, strength, low, high) -> None:
    dann = made()
    shift = torch.zeros(64, requires_grad=True)
    discriminating = torch.optim.Adam([p for group in dann.own_groups() for p in group.parameters], lr=2e-3)
    shifting = torch.optim.Adam([shift], lr=2e-2)
    read = []
    for step in range(300):
        source, target = _vectors(32, seed=2 * step), _vectors(32, 0.6, seed=2 * step + 1) + shift
        for optimizer in (discriminating, shifting):
            optimizer.zero_grad()
        dann.term(_samples(source), _samples(target), strength).backward()
        discriminating.step()
        shifting.step()
        read.append(dann.readings()["dann/accuracy"])
    assert low <= np.mean(read[-50:]) <= high
