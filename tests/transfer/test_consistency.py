import numpy as np
import pytest
import torch

from seg.transfer._consistency import consistency


@pytest.fixture
def opinions():
    """Logits, taught probabilities and weights of two organs, as numpy doubles."""
    random = np.random.default_rng(0)
    logits, taught = random.normal(0, 3, (3, 2, 8, 6)), random.random((3, 2, 8, 6))
    return logits, taught, random.random((3, 1, 8, 6)) * (random.random((3, 1, 8, 6)) > 0.3)


def _expected(name, logits, taught, weights):
    """Straight from the formulas, in doubles."""
    student, weights = 1 / (1 + np.exp(-logits)), np.broadcast_to(weights, taught.shape)
    if name == "mse":
        return ((student - taught) ** 2 * weights).sum() / weights.sum()
    if name == "kl":
        apart = taught * np.log(taught / student) + (1 - taught) * np.log((1 - taught) / (1 - student))
        return (apart * weights).sum() / weights.sum()
    distances, counted = [], []
    for organ in range(taught.shape[1]):
        p, q, w = student[:, organ], taught[:, organ], weights[:, organ]
        size = (w * (p * p + q * q)).sum()
        distances.append(1 - 2 * (w * p * q).sum() / size)
        counted.append(size / (size + 1))
    return np.average(distances, weights=counted)


@pytest.mark.parametrize("name", ["mse", "kl", "dice"])
def test_a_distance_is_what_its_formula_says(name, opinions):
    found = consistency(name, *(torch.tensor(each, dtype=torch.float32) for each in opinions))
    assert float(found) == pytest.approx(_expected(name, *opinions), rel=1e-5)


def _certain(*organs: bool) -> torch.Tensor:
    """Logits of a slice: each organ fills half of it, or is nowhere."""
    here = torch.full((1, 1, 8, 8), -40.0)
    here[..., :4] = 40.0
    return torch.cat([here if there else torch.full_like(here, -40.0) for there in organs], dim=1)


@pytest.mark.parametrize("absent", [1, 4])
def test_dice_of_an_organ_is_not_less_for_organs_that_nobody_sees(absent):
    logits, everywhere = _certain(True), torch.ones(1, 1, 8, 8)
    taught = logits.sigmoid().roll(2, dims=3)
    more = torch.zeros(1, absent, 8, 8)
    alone = consistency("dice", logits, taught, everywhere)
    beside = consistency("dice", _certain(True, *[False] * absent), torch.cat([taught, more], dim=1), everywhere)
    assert float(alone) == pytest.approx(0.5, abs=0.01)
    assert float(beside) == pytest.approx(float(alone), rel=1e-6)


def test_dice_counts_an_organ_that_one_of_the_two_sees():
    everywhere = torch.ones(1, 1, 8, 8)
    taught = _certain(True, True).sigmoid()
    found = consistency("dice", _certain(True, False), taught, everywhere)
    assert float(found) == pytest.approx(0.5, abs=0.01)
    nobody = consistency("dice", _certain(False, False), torch.zeros(1, 2, 8, 8), everywhere)
    assert float(nobody) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["mse", "kl", "dice"])
def test_equal_opinions_cost_nothing_and_other_ones_pull_towards_the_teacher(name):
    logits = torch.linspace(-4, 4, 24).reshape(1, 1, 4, 6).requires_grad_()
    everywhere = torch.ones(1, 1, 4, 6)
    alike = consistency(name, logits, logits.detach().sigmoid(), everywhere)
    assert alike.item() == pytest.approx(0, abs=1e-6)
    certain = (logits.detach() > 0).float()
    consistency(name, logits, certain, everywhere).backward()
    assert bool((logits.grad * (2 * certain - 1) < 0).all())


@pytest.mark.parametrize("name", ["mse", "kl", "dice"])
def test_pixels_without_weight_neither_count_nor_learn(name):
    logits = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.zeros(1, 1, 4, 4)
    weights[..., :2] = 1
    taught = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    loss = consistency(name, logits, taught, weights)
    loss.backward()
    assert bool((logits.grad[..., 2:] == 0).all())
    changed = torch.where(weights > 0, logits.detach(), 9.0)
    assert float(consistency(name, changed, taught, weights)) == loss.item()


@pytest.mark.parametrize("name", ["mse", "kl", "dice"])
def test_where_no_pixel_counts_there_is_no_loss(name):
    nowhere = torch.zeros(1, 1, 4, 4)
    assert float(consistency(name, torch.full((1, 2, 4, 4), 3.0), torch.full((1, 2, 4, 4), 0.2), nowhere)) == 0


@pytest.mark.parametrize("name", ["mse", "kl", "dice"])
def test_certain_answers_stay_finite_and_sums_are_not_taken_in_16_bits(name):
    logits = torch.tensor([-200.0, 200.0]).repeat(2, 1, 300, 150).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = consistency(name, logits, (logits < 0).float(), torch.ones_like(logits))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx({"mse": 1.0, "kl": 200.0, "dice": 1.0}[name], rel=1e-4)
