import itertools

import pytest
import torch

from seg.config import Optim
from seg.train.schedule import make_optimizer, relative_rate, set_learning_rate
from seg.transfer.component import ParameterGroup


def test_the_rate_rises_linearly_and_then_falls_to_almost_nothing() -> None:
    rates = [relative_rate(Optim(warmup=0.1), step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert rates[10] == 1.0
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert rates[-1] < 0.001


def test_the_middle_of_each_schedule_is_the_published_one() -> None:
    plain = {"warmup": 0.0}
    assert relative_rate(Optim(schedule="cosine", **plain), 50, 100) == pytest.approx(0.5)
    assert relative_rate(Optim(schedule="poly", **plain), 50, 100) == pytest.approx(0.5**0.9)
    assert relative_rate(Optim(schedule="constant", **plain), 99, 100) == 1.0


def test_a_run_of_one_step_has_a_rate() -> None:
    assert 0 < relative_rate(Optim(), 0, 1) <= 1


def test_groups_keep_their_share_of_the_rate_and_their_decay() -> None:
    groups = [
        ParameterGroup("slow", [torch.nn.Parameter(torch.zeros(2, 2))], 0.1),
        ParameterGroup("bias", [torch.nn.Parameter(torch.zeros(2))], 1.0, weight_decay=False),
    ]
    optimizer = make_optimizer(groups, Optim(lr=1e-2, weight_decay=0.3, warmup=0.0))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    rate = set_learning_rate(optimizer, Optim(lr=1e-2, warmup=0.0), 50, 100)
    assert rate == pytest.approx(5e-3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([5e-4, 5e-3])
