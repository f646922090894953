import os
import signal
from collections.abc import Mapping

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seg.errors import TrainingError
from seg.train import loop
from seg.train.interrupt import Interrupted
from seg.train.loop import take_step
from seg.transfer.component import Component, Forward


def _weights(training) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in training.network.state_dict().items()}


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class _Spoils(Component):
    """Adds a term that is not finite, or whose gradient is not."""

    def __init__(self, how: str) -> None:
        self.how = how

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        logit = forward.output("labelled").masks.flatten()[0]
        if self.how == "loss":
            return {"spoiled": logit * float("nan")}
        # The square root's slope at zero is infinite, its value is not.
        return {"spoiled": torch.sqrt((logit - logit.detach()).abs())}


def test_a_run_keeps_best_and_last_weights_and_a_curve(make, go) -> None:
    run, progress = go(make("train.tensorboard=true"))
    rows = {row.step: row.values for row in run.curve_rows() if "loss" in row.values}
    assert set(rows[1]) == {"loss", "loss/mask", "loss/edge", "lr", "images_per_s"}
    assert rows[1]["loss"] == pytest.approx(rows[1]["loss/mask"] + rows[1]["loss/edge"], rel=1e-5)
    validated = [row for row in run.curve_rows() if "val/dice/mean" in row.values]
    assert [row.step for row in validated] == [2, 4]
    assert progress.best_dice == max(row.values["val/dice/mean"] for row in validated)
    assert run.model.exists()
    assert run.last.exists()
    assert list((run.folder / "tensorboard").iterdir())


def test_what_components_read_beside_their_losses_is_in_the_curve(make, go) -> None:
    class Counts(Component):
        steps = 0

        def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
            self.steps += 1
            return {}

        def readings(self) -> dict[str, float]:
            return {"counts/steps": float(self.steps)}

    training = make("train.steps=10")
    training.components = [*training.components, Counts()]
    run, _ = go(training)
    rows = {row.step: row.values for row in run.curve_rows() if "loss" in row.values}
    assert {step: values["counts/steps"] for step, values in rows.items()} == {1: 1, 10: 10}
    assert rows[10]["loss"] == pytest.approx(rows[10]["loss/mask"] + rows[10]["loss/edge"], rel=1e-5)


@pytest.mark.parametrize("words", [(), ("train.ema=false", "train.precision=bf16"), ("data.workers=1",)])
def test_an_interrupted_and_resumed_run_ends_with_the_same_bits(make, go, monkeypatch, words) -> None:
    whole_training = make(*words)
    whole, whole_progress = go(whole_training, "whole")

    validate = loop._validate

    def kill_after_two(*given) -> None:
        validate(*given)
        if given[-1].step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "_validate", kill_after_two)
        with pytest.raises(Interrupted) as ended:
            go(make(*words), "halves")
    assert ended.value.code == 143
    resumed_training = make(*words)
    halves, progress = go(resumed_training, "halves")

    assert _equal(_weights(whole_training), _weights(resumed_training))
    assert _equal(load_file(whole.last), load_file(halves.last))
    assert (progress.step, progress.best_dice) == (whole_progress.step, whole_progress.best_dice)
    timeless = [[{k: v for k, v in row.values.items() if k != "images_per_s"} for row in run.curve_rows()]
                for run in (whole, halves)]  # fmt: skip
    assert timeless[0] == timeless[1]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(make, go) -> None:
    one, two, other = make(), make(), make("train.seed=1")
    for number, training in enumerate((one, two, other)):
        go(training, f"run-{number}")
    assert _equal(_weights(one), _weights(two))
    assert not _equal(_weights(one), _weights(other))


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_a_number_that_is_not_finite_stops_before_the_update_and_names_the_cases(make, how) -> None:
    training = make()
    training.components = [*training.components, _Spoils(how)]
    before = _weights(training)
    average = {name: tensor.clone() for name, tensor in training.ema.state_dict().items()}
    (batches,) = [next(loop.training_batches(training, range(1)))]
    with pytest.raises(TrainingError, match=f"a {how} that is not finite at step 8 .*spoiled.*phantom") as stopped:
        take_step(training, batches, 7)
    assert stopped.value.code == "not-finite"
    parameters = dict(training.network.named_parameters())
    assert all(torch.equal(before[name], parameter) for name, parameter in parameters.items())
    assert _equal(average, training.ema.state_dict())


def test_patience_stops_early(make, go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "validation_dice", lambda *_: {"liver": 0.5, "mean": 0.5})
    _, progress = go(make("train.steps=12", "train.validations=6", "train.patience=2"))
    assert (progress.step, progress.best_step) == (6, 2)


def test_a_time_budget_shortens_the_run_once(make, go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "_TIMED_STEPS", range(1, 3))
    _, progress = go(make("train.steps=500", "train.time_budget_min=0.01", "train.validations=1"))
    assert progress.budgeted
    assert progress.step == progress.total_steps < 500


def test_a_time_budget_shortens_the_memory_of_the_averaged_weights_too(make, go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "_TIMED_STEPS", range(1, 3))
    words = ("train.steps=1000000", "train.time_budget_min=0.002", "train.validations=1")
    training, resumed = make(*words), make(*words)
    untrained = {name: tensor.clone() for name, tensor in training.ema.module.state_dict().items()}
    _, progress = go(training)
    assert training.ema.update_every <= progress.total_steps < 1000
    assert not _equal(untrained, training.ema.module.state_dict())
    go(resumed)
    assert (resumed.ema.decay, resumed.ema.update_every) == (training.ema.decay, training.ema.update_every)


def test_a_generous_time_budget_changes_nothing(make, go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "_TIMED_STEPS", range(1, 3))
    _, progress = go(make("train.time_budget_min=600"))
    assert progress.step == 4


def test_without_validation_patients_the_last_weights_are_the_model(make, go) -> None:
    training = make()
    training.validation = ()
    run, progress = go(training)
    assert progress.best_step == 0
    assert _equal(load_file(run.model), load_file(run.last))


def test_without_validation_patients_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    make, go, monkeypatch
) -> None:
    def without_validation():
        training = make()
        training.validation = ()
        return training

    whole, _ = go(without_validation(), "whole")
    step = loop.take_step

    def interrupt(training, batches, number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(training, batches, number)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "take_step", interrupt)
        with pytest.raises(Interrupted):
            go(without_validation(), "halves")
    halves, progress = go(without_validation(), "halves")
    assert progress.step == 4
    assert _equal(load_file(whole.model), load_file(halves.model))
    assert _equal(load_file(halves.last), load_file(halves.model))


def test_without_validation_patients_checkpoints_are_kept_all_the_same(make, go, monkeypatch) -> None:
    training = make()
    training.validation = ()
    run, _ = go(training)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000004"]
    monkeypatch.setattr(loop, "take_step", lambda *_: pytest.fail("a finished run was trained again"))
    again = make()
    again.validation = ()
    assert go(again)[1].step == 4


@pytest.mark.parametrize(("parts", "expected"), [(3, [3, 5, 7]), (9, [1, 2, 3, 4, 5, 6, 7]), (1, [7])])
def test_validations_are_as_many_as_asked_for_and_the_last_one_sees_the_last_step(make, go, parts, expected) -> None:
    run, _ = go(make("train.steps=7", f"train.validations={parts}"))
    assert [row.step for row in run.curve_rows() if "val/dice/mean" in row.values] == expected


@pytest.mark.parametrize("words", [("train.patience=2",), ("train.time_budget_min=0.0001",)])
def test_a_run_that_ended_early_is_not_trained_further_by_a_resume(make, go, monkeypatch, words) -> None:
    monkeypatch.setattr(loop, "validation_dice", lambda *_: {"liver": 0.5, "mean": 0.5})
    monkeypatch.setattr(loop, "_TIMED_STEPS", range(1, 3))
    words = ("train.steps=12", "train.validations=6", *words)
    run, progress = go(make(*words))
    assert progress.step < 12
    last = run.last.read_bytes()
    assert go(make(*words))[1].step == progress.step
    assert run.last.read_bytes() == last


def test_while_validation_finds_nothing_the_later_weights_are_kept(make, go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "validation_dice", lambda *_: {"mean": 0.0})
    run, progress = go(make())
    assert (progress.best_step, progress.best_dice) == (4, 0.0)
    assert _equal(load_file(run.model), load_file(run.last))


def test_a_small_network_learns_two_phantoms_by_heart(make, go) -> None:
    training = make(
        "train.steps=100", "train.batch_size=8", "augment.strength=0", "optim.lr=5e-3", "train.validations=1",
        "train.precision=auto", "model.encoder=resnet18",
    )  # fmt: skip
    training.cases = {"labelled": training.cases["labelled"][:2]}
    training.validation = training.cases["labelled"]
    _, progress = go(training)
    assert progress.best_dice > 0.9
