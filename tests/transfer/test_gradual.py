import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.runs import Run
from seg.train.checkpoint import save_checkpoint
from seg.train.saved import moment, restore
from seg.train.training import Progress, Training
from seg.transfer.component import Component
from seg.transfer.finetune import Finetune, FinetuneSettings
from seg.transfer.freeze import Freeze, FreezeSettings
from seg.transfer.gradual import COMPONENT, Gradual, GradualSettings, learning_stages
from seg.transfer.supervised import Supervised

STAGES = (("encoder.conv1.", "encoder.bn1."), *((f"encoder.layer{n}.",) for n in range(1, 5)))
NOTHING = WeightReport("none")


def _components(unfrozen_by: float = 0.5) -> list[Component]:
    return [Supervised(resolve([])), Finetune(FinetuneSettings()), Gradual(GradualSettings(unfrozen_by=unfrozen_by))]


def _state(network: SegNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _moved_stages(network: SegNetwork, before: dict[str, Tensor]) -> list[set[bool]]:
    """Per stage, whether its weights and statistics moved: {True}, {False}, or both for some of them."""
    after = network.state_dict()
    return [
        {not torch.equal(after[name], before[name]) for name in before if name.startswith(stage)} for stage in STAGES
    ]


def test_stages_join_after_equal_parts_and_all_learn_by_the_share_that_was_asked_for() -> None:
    assert [learning_stages(step / 20, 0.5, 5) for step in range(20)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] + [5] * 10
    assert learning_stages(0.0, 1.0, 5) == 0
    assert learning_stages(0.999, 1.0, 5) == 4
    assert learning_stages(1.0, 1.0, 5) == 5
    assert learning_stages(0.3, 0.3, 5) == 5


def test_the_deepest_stage_joins_first_and_statistics_stand_still_until_then(in_loop, step) -> None:
    training = in_loop(_components(), NOTHING, steps=10)
    for number in range(6):
        before = _state(training.network)
        step(training, number)
        expected = [{stage >= 5 - number} for stage in range(5)]
        assert _moved_stages(training.network, before) == expected
        outside = {name for name, _ in training.network.named_parameters() if not name.startswith("encoder.")}
        assert all(not torch.equal(before[name], training.network.state_dict()[name]) for name in outside)


def test_everything_is_in_the_optimiser_from_the_start_and_moments_begin_with_the_first_own_step(in_loop, step) -> None:
    training = in_loop(_components(), NOTHING, steps=10)
    grouped = [id(p) for group in training.optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in training.network.parameters())
    for number in range(4):
        step(training, number)
    encoder = training.network.encoder
    stem, deepest = encoder.get_parameter("conv1.weight"), encoder.get_parameter("layer4.0.conv1.weight")
    assert stem not in training.optimizer.state
    assert int(training.optimizer.state[deepest]["step"]) == 3
    assert all(p.grad is None for p in training.network.parameters())


def test_what_the_file_lacked_learns_from_the_first_step(in_loop, step, loaded) -> None:
    training = in_loop(_components(), loaded("encoder.layer1.0.conv1.", "encoder.layer1.0.bn1."), steps=10)
    before = _state(training.network)
    step(training, 0)
    moved = {name for name, tensor in training.network.state_dict().items()
             if name.startswith("encoder.") and not torch.equal(tensor, before[name])}  # fmt: skip
    assert moved == {name for name in before if name.startswith(("encoder.layer1.0.conv1.", "encoder.layer1.0.bn1."))}


@pytest.mark.parametrize("freeze_first", [True, False])
def test_what_is_frozen_for_good_never_joins(in_loop, step, freeze_first) -> None:
    freeze, gradual = Freeze(FreezeSettings(stages=2)), Gradual(GradualSettings(unfrozen_by=0.5))
    both = [freeze, gradual] if freeze_first else [gradual, freeze]
    training = in_loop([Supervised(resolve([])), *both], NOTHING, steps=2)
    before = _state(training.network)
    step(training, 1)
    assert _moved_stages(training.network, before) == [{False}, {False}, {True}, {True}, {True}]


def _run(training: Training, step, steps: range) -> None:
    for number in steps:
        step(training, number)


@pytest.mark.parametrize("stopped_after", [1, 4])
def test_a_run_that_stopped_while_stages_stood_still_goes_on_with_the_same_bits(
    in_loop, step, tmp_path: Path, stopped_after: int
) -> None:
    whole = in_loop(_components(), NOTHING, steps=8)
    _run(whole, step, range(8))

    run = Run(tmp_path / "run")
    run.folder.mkdir()
    first = in_loop(_components(), NOTHING, steps=8)
    _run(first, step, range(stopped_after))
    save_checkpoint(run.checkpoints, moment(first, Progress(8, stopped_after)))
    second = in_loop(_components(), NOTHING, steps=8)
    progress = restore(second, run, Progress(8))
    assert progress.step == stopped_after
    _run(second, step, range(stopped_after, 8))

    for one, other in ((whole.network, second.network), (whole.predictor, second.predictor)):
        theirs = other.state_dict()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def test_the_averaged_network_follows_the_stages(in_loop, step) -> None:
    training = in_loop(_components(), NOTHING, "train.ema_half_life=0", steps=10)
    before = _state(training.network)
    step(training, 0)
    averaged = training.predictor.state_dict()
    assert all(torch.equal(averaged[name], tensor) for name, tensor in training.network.state_dict().items())
    assert all(torch.equal(averaged[name], before[name]) for name in before if name.startswith("encoder."))


def test_the_preset_joins_gradual_unfreezing_and_discriminative_rates() -> None:
    settings = resolve(["strategy=gradual", "gradual.unfrozen_by=0.4"])
    assert list(settings.components) == ["supervised", "finetune", "gradual"]
    knobs = COMPONENT.settings.model_validate(settings.components["gradual"])
    assert knobs == GradualSettings(unfrozen_by=0.4)
    assert isinstance(COMPONENT.make(None, knobs), Gradual)


def test_numbers_of_the_default_are_those_its_reason_names() -> None:
    start = GradualSettings().unfrozen_by
    steps = torch.arange(10_000, dtype=torch.float64) / 10_000
    cosine = 0.5 * (1 + torch.cos(math.pi * steps))
    assert float(cosine[steps >= start].sum() / cosine.sum()) == pytest.approx(0.44, abs=0.005)
    assert learning_stages(0.059, start, 5) == 0
    assert learning_stages(0.061, start, 5) == 1
