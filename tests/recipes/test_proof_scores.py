from seg.proof.curves import asymptote
from seg.recipes.proof_scores import mean_end, missing, table_of
from seg.records import CurveRow


def _row(step, **dice):
    return CurveRow(step, {"loss": 1.0, **{f"test/dice/{patient}": value for patient, value in dice.items()}})


CURVE = (CurveRow(0, {"loss": 2.0}), _row(5, a=0.1, b=0.2), CurveRow(7, {"val/dice/mean": 0.5}), _row(10, a=0.3))


def test_steps_count_from_the_end_of_the_warm_up():
    table = table_of({("scratch", 2, 0): CURVE}, ["b", "a"])
    assert [(row.arm, row.size, row.seed, row.step) for row in table.rows] == [
        ("scratch", 2, 0, 0),
        ("scratch", 2, 0, 5),
    ]


def test_a_patient_without_a_dice_is_none_and_patients_are_in_order():
    table = table_of({("scratch", 2, 0): CURVE}, ["b", "c", "a"])
    assert table.cases == ("a", "b", "c")
    assert [row.dice for row in table.rows] == [(0.1, 0.2, None), (0.3, None, None)]


def test_the_end_is_the_mean_over_trainings_and_patients_with_a_dice():
    table = table_of({("scratch", 2, 0): CURVE, ("scratch", 2, 1): [_row(5, a=0.0), _row(10, a=0.6, b=0.9)]}, "ab")
    assert mean_end(table, "scratch", 2, (0, 1)) == (0.3 + 0.6 + 0.9) / 3
    assert mean_end(table, "scratch", 2, (0,)) == asymptote(table.curve("scratch", 2, 0)[1])[0]
    assert mean_end(table, "scratch", 2, ()) is None


def test_what_is_missing_is_said_with_its_reason(make_asked):
    asked = make_asked(["scratch", "finetune"], sizes=(1, 2), seeds=1, failed={"finetune-2-0": "no memory"})
    table = table_of({("scratch", 1, 0): CURVE, ("scratch", 2, 0): CURVE}, "ab")
    assert missing(table, asked) == (
        "finetune with 1 labelled patient, seed 0: not trained", "finetune with 2 labelled patients, seed 0: no memory",
    )  # fmt: skip
