"""Every loss against its formula, written once more in numpy and float64 from the paper alone."""

import numpy as np
import pytest
import torch
from numpy import log

from seg.losses import load_loss
from seg.registry import LOSSES


def dice(p, t):
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


def cross_entropy(p, t):
    return -(t * log(p) + (1 - t) * log(1 - p))


def focal(p, t):
    q = np.where(t == 1, p, 1 - p)
    return -((1 - q) ** 2) * log(q)


def tversky(p, t):
    hit, false, missed = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
    return 1 - (hit + 1) / (hit + 0.3 * false + 0.7 * missed + 1)


def balanced(p, t):
    share = min(max(t.mean(), 0.02), 0.98)
    weight = np.where(t == 1, 1 - share, share)
    return (weight * cross_entropy(p, t)).sum() / weight.sum()


FORMULAS = {
    "dice_cross_entropy": lambda p, t: dice(p, t) + cross_entropy(p, t).mean(),
    "dice_focal": lambda p, t: dice(p, t) + focal(p, t).mean(),
    "edge": lambda p, t: dice(p, t) + balanced(p, t),
    "focal": lambda p, t: focal(p, t).mean(),
    "tversky": tversky,
}


def test_every_loss_has_its_formula_here():
    assert set(FORMULAS) == set(LOSSES.names())


@pytest.mark.parametrize("name", sorted(FORMULAS))
@pytest.mark.parametrize("frequency", [0.0, 0.01, 0.3, 0.995, 1.0])
def test_a_loss_equals_its_formula(name, frequency):
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (4, 3, 20, 24))
    target = (random.random((4, 3, 20, 24)) < frequency).astype(float)
    valid = random.random((4, 1, 20, 24)) < 0.7
    kept = valid[:, 0]
    probabilities = 1 / (1 + np.exp(-logits))
    expected = np.mean([FORMULAS[name](probabilities[:, o][kept], target[:, o][kept]) for o in range(3)])
    tensors = torch.from_numpy(logits), torch.from_numpy(target), torch.from_numpy(valid)
    assert float(load_loss(name).compute(*tensors)) == pytest.approx(expected, abs=2e-6)
