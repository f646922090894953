"""Student and teacher: both are validated, both are kept, the better one is the model."""

from collections.abc import Callable, Mapping

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from seg.runs import Run
from seg.train import loop
from seg.train.training import Progress, Training

TEACHES = ("strategy=mean_teacher", "data.labelled=3", "train.batch_size=2", "mean_teacher.warm_up=0")
Make = Callable[..., Training]
Go = Callable[..., tuple[Run, Progress]]


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _score(monkeypatch: pytest.MonkeyPatch, training: Training, teacher: list[float], student: list[float]) -> None:
    """What each validation is to find, one after the other."""
    left = {id(training.teacher): list(teacher), id(training.network): list(student)}

    def found(network: nn.Module, *_: object) -> dict[str, float]:
        dice = left[id(network)].pop(0)
        return {"liver": dice, "mean": dice}

    monkeypatch.setattr(loop, "validation_dice", found)


def test_the_better_of_the_two_at_its_best_step_is_the_model(make: Make, go: Go, monkeypatch) -> None:
    training = make(*TEACHES, "train.validations=4")
    seen: list[dict[str, Tensor]] = []
    monkeypatch.setattr(
        training.components[-1], "after_step", lambda network, step: seen.append(
            {name: tensor.clone() for name, tensor in training.exported("student").items()}
        ),
    )  # fmt: skip
    _score(monkeypatch, training, [0.1, 0.3, 0.4, 0.2], [0.2, 0.6, 0.5, 0.1])
    run, progress = go(training)
    assert (progress.best_step, progress.best_of, progress.best_dice) == (2, "student", 0.6)
    assert _equal(load_file(run.model), seen[1])
    assert _equal(load_file(run.student), seen[3])
    assert _equal(load_file(run.last), training.exported("teacher"))
    assert not _equal(load_file(run.last), load_file(run.student))


def test_the_curve_holds_both_scores_and_the_better_one_as_the_run_s(make: Make, go: Go, monkeypatch) -> None:
    training = make(*TEACHES)
    _score(monkeypatch, training, [0.3, 0.5], [0.2, 0.7])
    run, _ = go(training)
    rows = [row.values for row in run.curve_rows() if "val/dice/mean" in row.values]
    assert [(row["val/teacher/dice"], row["val/student/dice"], row["val/dice/mean"]) for row in rows] == [
        (0.3, 0.2, 0.3), (0.5, 0.7, 0.7),
    ]  # fmt: skip


def test_of_two_equally_good_ones_the_teacher_is_the_model(make: Make, go: Go, monkeypatch) -> None:
    training = make(*TEACHES)
    _score(monkeypatch, training, [0.5, 0.5], [0.5, 0.5])
    assert go(training)[1].best_of == "teacher"


def test_without_validation_patients_the_last_teacher_is_the_model(make: Make, go: Go) -> None:
    training = make(*TEACHES, "split.validation_fraction=0")
    assert not training.validation
    run, progress = go(training)
    assert progress.best_step == 0
    assert _equal(load_file(run.model), training.exported("teacher"))
    assert _equal(load_file(run.student), training.exported("student"))


def test_a_time_budget_shortens_ramp_and_memory_with_the_run(make: Make, go: Go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "_TIMED_STEPS", range(1, 3))
    monkeypatch.setattr(loop, "_LOGGED_EVERY", 1)
    training = make(
        *TEACHES, "train.steps=100000", "train.time_budget_min=1e-9", "mean_teacher.warm_up=0.5", "train.batch_size=1"
    )
    long_run = training.ema.decay
    run, progress = go(training)
    assert progress.total_steps == progress.step == 4
    assert training.ema.decay < long_run
    assert {row.step for row in run.curve_rows() if "loss/consistency" in row.values} == {4}
    assert training.components[-1].readings()["teacher/weight"] > 0


def test_a_resumed_training_goes_on_as_an_uninterrupted_one(make: Make, go: Go, monkeypatch) -> None:
    straight, _ = go(make(*TEACHES), "straight")
    first = make(*TEACHES)
    _stop_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        go(first, "resumed")
    monkeypatch.undo()
    resumed, _ = go(make(*TEACHES), "resumed")
    for name in ("model", "last", "student"):
        assert _equal(load_file(getattr(straight, name)), load_file(getattr(resumed, name)))


def _stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    taken = loop.take_step

    def stops(training: Training, batches: loop.Batches, step: int) -> dict[str, Tensor]:
        if step == steps:
            raise KeyboardInterrupt
        return taken(training, batches, step)

    monkeypatch.setattr(loop, "take_step", stops)
