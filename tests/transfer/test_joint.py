from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.train.loop import take_step
from seg.train.training import Training
from seg.transfer.component import Component, Forward, Task
from seg.transfer.joint import COMPONENT, Joint, JointSettings
from seg.transfer.supervised import Supervised

PLAN = Plan(("pancreas",), (1,), 1.0, "px", 64, 1, (Intensity("range", 0.0, 255.0),))


def _task(*words: str) -> Task:
    return Task(resolve(["organ=pancreas", "strategy=joint", *words]), PLAN, {}, None, ("liver",), Path("cache"))


def _batch(seed: int) -> Batch:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    masks = (images[:, :1] > 0.7).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a, slice 0", "a, slice 1"))


def _made(task: Task) -> Component:
    return COMPONENT.make(task, JointSettings())


@pytest.fixture
def training(in_loop: Callable[..., Training]) -> Training:
    task = _task()
    return in_loop([Supervised(task.settings), _made(task)], WeightReport("none"))


def test_the_strategy_trains_source_slices_beside_the_targets() -> None:
    task = _task()
    assert list(task.settings.components) == ["supervised", "joint"]
    assert _made(task).streams() == ("source",)


def test_every_slice_weighs_the_same() -> None:
    component = _made(_task())
    assert isinstance(component, Joint)
    assert torch.equal(component.slice_weights(_batch(0)), torch.ones(2))


def test_a_step_moves_the_outputs_for_the_sources_organ(training: Training) -> None:
    before = {name: tensor.clone() for name, tensor in training.components[1].state_dict().items()}
    terms = take_step(training, {"labelled": _batch(0), "source": _batch(1)}, 0)
    assert set(terms) == {"loss", "loss/mask", "loss/edge", "loss/source_mask", "loss/source_edge"}
    after = training.components[1].state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_norm_statistics_follow_the_target_alone(in_loop: Callable[..., Training]) -> None:
    task = _task()
    joint = in_loop([Supervised(task.settings), _made(task)], WeightReport("none"))
    alone = in_loop([Supervised(task.settings)], WeightReport("none"))
    take_step(joint, {"labelled": _batch(0), "source": _batch(1)}, 0)
    take_step(alone, {"labelled": _batch(0)}, 0)
    found, expected = joint.network.state_dict(), alone.network.state_dict()
    means = [name for name in found if name.endswith(("running_mean", "running_var"))]
    assert len(means) > 20
    assert all(torch.equal(found[name], expected[name]) for name in means)
    assert not torch.equal(found["encoder.conv1.weight"], expected["encoder.conv1.weight"])


def test_a_resumed_run_goes_on_alike(in_loop: Callable[..., Training]) -> None:
    task = _task()
    runs = [in_loop([Supervised(task.settings), _made(task)], WeightReport("none")) for _ in range(2)]
    batches = {"labelled": _batch(0), "source": _batch(1)}
    take_step(runs[0], batches, 0)
    runs[1].network.load_state_dict(runs[0].network.state_dict())
    runs[1].optimizer.load_state_dict(runs[0].optimizer.state_dict())
    runs[1].components[1].load_state_dict(runs[0].components[1].state_dict())
    first, second = (take_step(run, batches, 1) for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("strategy", ["importance,joint", "tradaboost,pixel_adaptation"])
def test_it_leaves_the_source_to_a_component_that_weighs_it(strategy: str, in_loop: Callable[..., Training]) -> None:
    task = _task(f"strategy={strategy}")
    assert "joint" in task.settings.components
    component = _made(task)
    training = in_loop([Supervised(task.settings), component], WeightReport("none"))
    batches = {"labelled": _batch(0), "source": _batch(1)}
    assert component.losses(Forward(training.network, batches), 0) == {}
    assert component.own_groups() == []
