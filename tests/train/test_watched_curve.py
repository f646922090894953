from collections.abc import Callable

import numpy as np
import pytest
import torch

from seg.overrides import resolve
from seg.recipes.components import with_knobs
from seg.recipes.prepare import prepare, prepare_tested
from seg.runs import Run
from seg.train import loop
from seg.train.interrupt import Interrupted
from seg.train.training import Training
from seg.train.validate import patient_dice, validation_dice
from seg.train.watched_curve import KEY, watched_steps


@pytest.fixture
def watching(make: Callable[..., Training]) -> Callable[..., Training]:
    """A training that looks at its test patients."""

    def made(*words: str) -> Training:
        training = make("evaluate.curve=3", *words)
        prepared = prepare(training.settings)
        training.watched = prepare_tested(prepared, training.settings)
        assert {case.patient for case in training.watched} == set(prepared.checked.split.test)
        return training

    return made


def _watched(run: Run) -> dict[int, dict[str, float]]:
    rows = {row.step: row.values for row in run.curve_rows() if any(name.startswith(KEY) for name in row.values)}
    return {step: {name.removeprefix(KEY): value for name, value in values.items()} for step, values in rows.items()}


def test_looks_are_spread_from_the_end_of_the_heads_own_steps_to_the_end() -> None:
    alone = with_knobs(resolve(["evaluate.curve=5"]))
    assert watched_steps(alone, 40) == (0, 10, 20, 30, 40)
    heads = with_knobs(resolve(["evaluate.curve=5", "strategy=heads_first,finetune", "heads_first.share=0.1"]))
    assert watched_steps(heads, 40) == (4, 13, 22, 31, 40)
    assert watched_steps(resolve([]), 40) == ()
    assert watched_steps(resolve(["evaluate.curve=100"]), 3) == (0, 1, 2, 3)


def test_a_row_holds_the_dice_of_every_test_patient_by_the_weights_that_would_predict(watching, go) -> None:
    training = watching("train.steps=4")
    run, _ = go(training)
    found = _watched(run)
    assert tuple(found) == (0, 2, 4)
    patients = {case.patient for case in training.watched}
    assert all(set(row) <= patients for row in found.values())
    last = patient_dice(training.predictor, training.watched, training.plan, training.inference)
    assert found[4] == {patient: pytest.approx(np.mean(list(dice.values()))) for patient, dice in last.items() if dice}


def test_looking_changes_no_weight(watching, make, go) -> None:
    seen, unseen = watching("train.steps=3"), make("train.steps=3")
    go(seen, "seen")
    go(unseen, "unseen")
    ours, theirs = seen.network.state_dict(), unseen.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_interrupted_training_keeps_its_looks_and_repeats_none(watching, go, monkeypatch) -> None:
    run, _ = go(watching("train.steps=4"), "whole")
    expected = run.curve.read_text(encoding="utf-8").count(KEY)
    training = watching("train.steps=4")
    monkeypatch.setattr(loop, "_exit_code", lambda training, interrupt: 143)
    with pytest.raises(Interrupted):
        go(training, "parts")
    monkeypatch.undo()
    again, _ = go(watching("train.steps=4"), "parts")
    assert again.curve.read_text(encoding="utf-8").count(KEY) == expected
    assert _watched(again) == _watched(run)


def test_the_mean_over_patients_leaves_out_organs_that_nobody_has(watching) -> None:
    training = watching("train.steps=1")
    how = (training.plan, training.inference)
    found = patient_dice(training.predictor, training.watched, *how)
    mean = validation_dice(training.predictor, training.watched, *how)
    known = [dice[organ] for dice in found.values() for organ in dice]
    assert mean["mean"] == pytest.approx(np.mean(known))
