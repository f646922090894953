import math

import numpy as np

from seg.proof.scores import ScoreRow, ScoreTable
from seg.recipes.proof_pictures import _telling_slice, most_different

CASES = ("a", "b", "c", "d", "e")


def _table(**ends):
    rows = [
        ScoreRow(arm, seed, 5, step, tuple(None if math.isnan(value) else value * step / 10 for value in dice))
        for arm, dice in ends.items() for seed in (3, 4) for step in (0, 10)
    ]  # fmt: skip
    return ScoreTable(CASES, tuple(rows))


def test_the_best_arms_patients_with_the_largest_differences_are_shown(make_asked):
    arms = ["scratch", "imagenet", "finetune", "freeze"]
    table = _table(
        scratch=[0.1] * 5, imagenet=[0.5, 0.5, 0.5, 0.5, math.nan], finetune=[0.9, 0.6, 0.1, 0.5, 1.0], freeze=[0.2] * 5
    )
    shown = most_different(table, make_asked(arms, sizes=(2, 5), seeds=5))
    assert (shown.arm, shown.baseline, shown.size, shown.seed) == ("finetune", "imagenet", 5, 3)
    assert shown.patients == ("a", "c", "b")
    assert np.allclose(shown.gains, (0.4, -0.4, 0.1))


def test_without_a_pair_there_are_no_pictures(make_asked):
    assert most_different(_table(scratch=[0.1] * 5), make_asked(["scratch", "finetune"])) is None


def test_the_slice_is_where_predictions_differ_else_the_one_with_most_of_the_organ():
    first, second = np.zeros((2, 3, 4, 4), dtype=bool)
    assert _telling_slice([first, second], [0, 5, 2]) == 1
    second[2, 0, 0] = True
    assert _telling_slice([first, second], [0, 5, 2]) == 2
