"""The plain data that every number of a proof can be computed from again: one Dice per case and evaluation."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from seg.errors import DataError
from seg.proof.crossed import Floats

SCHEMA = 1


@dataclass(frozen=True)
class ScoreRow:
    """One evaluation of one training."""

    arm: str
    seed: int
    """Trainings of different arms with the same seed share draw, order and augmentation: they are a pair."""
    size: int
    """Labelled patients that the training had."""
    step: int
    """Optimiser steps since the head-only warm-up; the first evaluation of a training is its start."""
    dice: tuple[float | None, ...]
    """0 to 1, in the order of `ScoreTable.cases`; None where undefined (both masks empty)."""


@dataclass(frozen=True)
class ScoreTable:
    """Dice by arm, seed, size, evaluation and case."""

    cases: tuple[str, ...]
    """Patients: cases of one patient are to be averaged before they come here."""
    rows: tuple[ScoreRow, ...]

    def __post_init__(self) -> None:
        """Raises DataError for what cannot be a table of Dice."""
        if twice := _repeated(self.cases):
            raise _broken(f"the case {twice!r} twice", "every case once")
        if twice := _repeated((row.arm, row.seed, row.size, row.step) for row in self.rows):
            raise _broken(f"two evaluations of {twice}", "one evaluation per arm, seed, size and step")
        for row in self.rows:
            _check(row, len(self.cases))

    @property
    def arms(self) -> tuple[str, ...]:
        """In the order of the rows."""
        return tuple(dict.fromkeys(row.arm for row in self.rows))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lowest first."""
        return tuple(sorted({row.size for row in self.rows}))

    def seeds(self, arm: str, size: int) -> tuple[int, ...]:
        """Seeds that this arm was trained with at this size."""
        return tuple(sorted({row.seed for row in self.rows if (row.arm, row.size) == (arm, size)}))

    def curve(self, arm: str, size: int, seed: int) -> tuple[tuple[int, ...], Floats]:
        """Steps of one training's evaluations, and its Dice (evaluations, cases) with NaN where undefined."""
        found = sorted(
            (row for row in self.rows if (row.arm, row.size, row.seed) == (arm, size, seed)), key=lambda row: row.step
        )
        dice = [[math.nan if value is None else value for value in row.dice] for row in found]
        return tuple(row.step for row in found), np.array(dice, dtype=np.float64).reshape(len(found), len(self.cases))


def _repeated(items: Iterable[object]) -> object:
    return next((item for item, count in Counter(items).items() if count > 1), None)


def _check(row: ScoreRow, cases: int) -> None:
    where = f"{row.arm}, seed {row.seed}, size {row.size}, step {row.step}"
    if len(row.dice) != cases:
        raise _broken(f"{len(row.dice)} values at {where}", f"one for each of {cases} cases")
    if wrong := [value for value in row.dice if value is not None and not 0 <= value <= 1]:
        raise _broken(f"{wrong[0]} at {where}", "Dice from 0 to 1, null where undefined")


def _broken(found: str, expected: str) -> DataError:
    return DataError(found=found, expected=expected, fix="score these trainings again", code="broken-scores")


def joined(tables: Iterable[ScoreTable]) -> ScoreTable:
    """One table of the rows of all, for which all must have scored the same cases.

    Raises:
        DataError: the cases differ, or an evaluation is in two tables.
    """
    every = list(tables)
    cases = every[0].cases if every else ()
    for table in every:
        if set(table.cases) != set(cases):
            other = sorted(set(table.cases) ^ set(cases))
            raise _broken(f"scores with and without the case {other[0]!r}", "the same cases in all")
    places = [[table.cases.index(case) for case in cases] for table in every]
    rows = [
        ScoreRow(row.arm, row.seed, row.size, row.step, tuple(row.dice[place] for place in order))
        for table, order in zip(every, places, strict=True)
        for row in table.rows
    ]
    return ScoreTable(cases, tuple(rows))


def to_json(table: ScoreTable) -> str:
    """The table as JSON text, one line per evaluation; `from_json` gives back an equal one."""
    rows = [
        json.dumps([row.arm, row.seed, row.size, row.step, row.dice], allow_nan=False, ensure_ascii=False)
        for row in table.rows
    ]
    cases = json.dumps(table.cases, ensure_ascii=False)
    columns = '["arm", "seed", "size", "step", "dice"]'
    lines = ",\n".join(rows)
    return f'{{"schema": {SCHEMA}, "cases": {cases}, "columns": {columns}, "rows": [\n{lines}\n]}}\n'


def from_json(text: str) -> ScoreTable:
    """The table that `to_json` wrote.

    Raises:
        DataError: the text is something else.
    """
    try:
        raw = json.loads(text)
        rows = [
            ScoreRow(str(arm), int(seed), int(size), int(step), tuple(dice))
            for arm, seed, size, step, dice in raw["rows"]
        ]
        known = raw["schema"] == SCHEMA
        if not known:
            raise _broken(f"scores of layout {raw['schema']}", f"layout {SCHEMA}")
        return ScoreTable(tuple(map(str, raw["cases"])), tuple(rows))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _broken(f"no table of scores ({error})", "what an experiment of this program saved") from error
