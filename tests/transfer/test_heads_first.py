from pathlib import Path

import pytest
import torch
from torch import Tensor

from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.recipes.components import with_knobs
from seg.runs import Run
from seg.train.checkpoint import save_checkpoint
from seg.train.saved import moment, restore
from seg.train.training import Progress, Training
from seg.transfer.component import Component
from seg.transfer.finetune import Finetune, FinetuneSettings
from seg.transfer.freeze import Freeze, FreezeSettings
from seg.transfer.gradual import Gradual, GradualSettings
from seg.transfer.heads_first import HeadsFirst, HeadsFirstSettings, steps_of_heads
from seg.transfer.supervised import Supervised

NOTHING = WeightReport("none")


def _components(share: float = 0.3, *others: Component) -> list[Component]:
    return [Supervised(resolve([])), HeadsFirst(HeadsFirstSettings(share=share)), *others]


def _weights(network: SegNetwork) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def _moved(network: SegNetwork, before: dict[str, Tensor]) -> set[str]:
    """First parts of the names of weights that moved."""
    after = _weights(network)
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def test_only_the_heads_learn_for_their_share_and_everything_afterwards(in_loop, step) -> None:
    training = in_loop(_components(0.3), NOTHING, steps=10)
    for number in range(5):
        before = _weights(training.network)
        step(training, number)
        heads = {"mask_head", "edge_head"}
        assert _moved(training.network, before) == (heads if number < 3 else {*heads, "encoder", "decoder"})


def test_norms_move_their_statistics_from_the_first_step(in_loop, step) -> None:
    training = in_loop(_components(), NOTHING, steps=10)
    before = training.network.encoder.state_dict()["bn1.running_mean"].clone()
    step(training, 0)
    assert not torch.equal(before, training.network.encoder.state_dict()["bn1.running_mean"])


def test_what_another_component_froze_stays_frozen(in_loop, step) -> None:
    training = in_loop(_components(0.1, Freeze(FreezeSettings())), NOTHING, steps=10)
    before = _weights(training.network)
    for number in range(3):
        step(training, number)
    assert _moved(training.network, before) == {"mask_head", "edge_head", "decoder"}


def test_what_thaws_by_itself_keeps_its_own_time(in_loop, step) -> None:
    others = (Finetune(FinetuneSettings()), Gradual(GradualSettings(unfrozen_by=1.0)))
    training = in_loop(_components(0.1, *others), NOTHING, steps=10)
    before = _weights(training.network)
    step(training, 0)
    step(training, 1)
    assert _moved(training.network, before) == {"mask_head", "edge_head", "decoder"}


def test_a_resumed_training_goes_on_with_the_same_parts(in_loop, step, tmp_path: Path) -> None:
    def fresh() -> Training:
        return in_loop(_components(0.3), NOTHING, steps=10)

    whole, first = fresh(), fresh()
    for number in range(5):
        step(whole, number)
    for number in range(2):
        step(first, number)
    run = Run(tmp_path)
    save_checkpoint(run.checkpoints, moment(first, Progress(10, step=2)))
    second = fresh()
    progress = restore(second, run, Progress(10))
    for number in range(progress.step, 5):
        step(second, number)
    assert all(
        torch.equal(a, b)
        for a, b in zip(_weights(whole.network).values(), _weights(second.network).values(), strict=True)
    )


@pytest.mark.parametrize(("share", "total", "steps"), [(0.05, 200, 10), (0.05, 210, 11), (0.3, 10, 3), (0.01, 10, 1)])
def test_the_steps_of_the_heads_are_those_before_the_share_is_reached(share: float, total: int, steps: int) -> None:
    settings = with_knobs(resolve(["strategy=heads_first,finetune", f"heads_first.share={share}"]))
    assert steps_of_heads(settings, total) == steps
    assert steps_of_heads(with_knobs(resolve(["strategy=finetune"])), total) == 0
