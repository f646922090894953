import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg.errors import DataError
from seg.proof.scores import ScoreRow, ScoreTable, from_json, joined, to_json

_DICE = st.one_of(st.none(), st.floats(0, 1))
_NAMES = st.text(min_size=1, max_size=6)


def _row(arm="scratch", seed=0, size=5, step=0, dice=(0.5, 0.7)):
    return ScoreRow(arm, seed, size, step, dice)


@st.composite
def _tables(draw):
    cases = tuple(draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True)))
    keys = draw(st.lists(st.tuples(_NAMES, *[st.integers(0, 50)] * 3), max_size=6, unique=True))
    values = st.tuples(*[_DICE] * len(cases))
    return ScoreTable(cases, tuple(ScoreRow(*key, draw(values)) for key in keys))


@settings(max_examples=50)
@given(_tables())
def test_a_table_survives_json(table):
    assert from_json(to_json(table)) == table


def test_json_has_one_line_per_evaluation_and_names_its_columns():
    text = to_json(ScoreTable(("a", "b"), (_row(), _row(step=10, dice=(None, 1.0)))))
    assert '["scratch", 0, 5, 10, [null, 1.0]]' in text.splitlines()
    assert json.loads(text)["columns"] == ["arm", "seed", "size", "step", "dice"]


def test_a_curve_is_sorted_by_step_and_undefined_values_are_nan():
    rows = (_row(step=20, dice=(0.3, None)), _row(step=10, dice=(0.1, 0.2)), _row(seed=1), _row(arm="liver", seed=4))
    table = ScoreTable(("a", "b"), rows)
    steps, dice = table.curve("scratch", 5, 0)
    assert steps == (10, 20)
    assert dice[0].tolist() == [0.1, 0.2]
    assert dice[1, 0] == 0.3
    assert math.isnan(dice[1, 1])
    assert (table.arms, table.sizes, table.seeds("scratch", 5)) == (("scratch", "liver"), (5,), (0, 1))


def test_tables_of_single_trainings_join_whatever_the_order_of_their_cases():
    first = ScoreTable(("a", "b"), (_row(),))
    second = ScoreTable(("b", "a"), (_row(seed=1, dice=(0.1, 0.2)),))
    assert joined([first, second]) == ScoreTable(("a", "b"), (_row(), _row(seed=1, dice=(0.2, 0.1))))
    assert joined([]) == ScoreTable((), ())


@pytest.mark.parametrize(
    ("cases", "rows", "found"),
    [
        (("a", "a"), (), "the case 'a' twice"),
        (("a", "b"), (_row(), _row()), "two evaluations of ('scratch', 0, 5, 0)"),
        (("a",), (_row(),), "2 values at scratch, seed 0, size 5, step 0"),
        (("a", "b"), (_row(dice=(0.5, 1.2)),), "1.2 at scratch"),
        (("a", "b"), (_row(dice=(math.nan, 0.2)),), "nan at scratch"),
    ],
)
def test_what_is_no_table_of_dice_is_refused(cases, rows, found):
    with pytest.raises(DataError) as error:
        ScoreTable(cases, rows)
    assert found in error.value.found
    assert error.value.code == "broken-scores"


def test_tables_of_other_cases_do_not_join():
    with pytest.raises(DataError, match="scores with and without the case 'b'"):
        joined([ScoreTable(("a", "b"), (_row(),)), ScoreTable(("a", "c"), (_row(seed=1),))])


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"schema": 1, "cases": ["a"], "rows": [[1]]}', '{"schema": 2, "cases": [], "rows": []}',
        '{"schema": 1, "cases": ["a"], "rows": [["x", 0, 5, Infinity, [0.5]]]}',
        '{"schema": 1, "cases": ["a"], "rows": [["x", 0, 5, 1, "a"]]}', "[" * 100_000,
    ],
)  # fmt: skip
def test_other_text_is_refused(text):
    with pytest.raises(DataError):
        from_json(text)
