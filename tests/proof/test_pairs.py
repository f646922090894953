import numpy as np
import pytest

from seg.errors import DataError
from seg.proof.pairs import paired
from seg.proof.scores import ScoreRow, ScoreTable

CASES = ("a", "b", "c")


def _training(arm, seed, values, steps=(0, 10)):
    return [ScoreRow(arm, seed, 5, step, tuple(row)) for step, row in zip(steps, values, strict=True)]


def _table(*trainings):
    return ScoreTable(CASES, tuple(row for training in trainings for row in training))


def test_trainings_are_paired_by_seed_and_evaluations_by_step():
    table = _table(
        _training("liver", 1, [(0.1, 0.2, 0.3), (0.4, 0.5, 0.6)]),
        _training("liver", 0, [(0.0, 0.0, 0.1), (0.2, 0.2, 0.2)]),
        _training("scratch", 0, [(0.0, 0.1, 0.0), (0.3, 0.3, 0.3)]),
        _training("scratch", 1, [(0.5, 0.5, 0.5), (0.9, 0.9, 0.9)]),
    )
    pair = paired(table, "liver", "scratch", 5)
    assert pair.arm.shape == pair.baseline.shape == (2, 2, 3)
    assert pair.arm[1, 1].tolist() == [0.4, 0.5, 0.6]
    assert pair.baseline[0, 0].tolist() == [0.0, 0.1, 0.0]
    assert pair.steps.tolist() == [0, 10]
    assert (pair.undefined, pair.unpaired) == (0, ())
    assert np.array_equal(pair.swapped().arm, pair.baseline)


def test_a_case_that_is_undefined_once_is_left_out_everywhere_and_counted():
    table = _table(
        _training("liver", 0, [(0.1, None, 0.3), (0.4, 0.5, 0.6)]),
        _training("scratch", 0, [(0.0, 0.1, 0.0), (0.3, 0.3, 0.3)]),
    )
    pair = paired(table, "liver", "scratch", 5)
    assert pair.arm[0].tolist() == [[0.1, 0.3], [0.4, 0.6]]
    assert pair.undefined == 1


def test_a_seed_of_one_arm_alone_is_left_out_and_named():
    values = [(0.1, 0.2, 0.3), (0.4, 0.5, 0.6)]
    table = _table(_training("liver", 0, values), _training("scratch", 0, values), _training("scratch", 3, values))
    assert paired(table, "liver", "scratch", 5).unpaired == (3,)


def test_arms_without_a_common_seed_are_refused():
    values = [(0.1, 0.2, 0.3), (0.4, 0.5, 0.6)]
    with pytest.raises(DataError, match="no seed that both liver and scratch"):
        paired(_table(_training("liver", 0, values), _training("scratch", 1, values)), "liver", "scratch", 5)


def test_arms_without_a_defined_case_are_refused():
    values = [(None, None, None), (0.4, 0.5, 0.6)]
    with pytest.raises(DataError, match="no case with a Dice in every evaluation"):
        paired(_table(_training("liver", 0, values), _training("scratch", 0, values)), "liver", "scratch", 5)


def test_a_training_that_stopped_early_is_refused():
    values = [(0.1, 0.2, 0.3), (0.4, 0.5, 0.6)]
    table = _table(_training("liver", 0, values), _training("scratch", 0, [values[0]], steps=(0,)))
    with pytest.raises(DataError, match="at different steps, such as 10"):
        paired(table, "liver", "scratch", 5)
