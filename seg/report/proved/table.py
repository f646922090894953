"""The section of the table: every number behind every word, and how each is defined."""

from dataclasses import dataclass
from typing import Literal

from seg.proof.table import Cell, rows
from seg.report.names import Names
from seg.report.proved.definitions import DEFINITIONS
from seg.report.proved.page import ProofPage
from seg.report.proved.words import MEASURES, NOTHING, dice_text, p_text, points_text, sign_of, step_text
from seg.report.section import Section

Kind = Literal["text", "measure", "count", "dice", "points", "spread", "p", "word", "steps"]


@dataclass(frozen=True)
class Column:
    """One column of `seg.proof.table` on the page."""

    key: str
    title: str
    kind: Kind
    unit: str = ""

    @property
    def sorted_as(self) -> str:
        """What sorting compares."""
        return "text" if self.kind in ("text", "measure", "word") else "number"


COLUMNS = (
    Column("arm", "Arm", "text"),
    Column("baseline", "Beside", "text"),
    Column("size", "Labelled patients", "count"),
    Column("measure", "Measure", "measure"),
    Column("difference", "Difference", "points", "points"),
    Column("low", "Low", "points", "95 %"),
    Column("high", "High", "points", "95 %"),
    Column("verdict", "Verdict", "word"),
    Column("arm_dice", "Dice, arm", "dice"),
    Column("baseline_dice", "Dice, baseline", "dice"),
    Column("p_cases", "p, patients", "p"),
    Column("p", "p", "p"),
    Column("p_holm", "p, Holm", "p"),
    Column("cases", "Patients", "count"),
    Column("seeds", "Trainings", "count"),
    Column("case_sd", "SD, patients", "spread", "points"),
    Column("seed_sd", "SD, trainings", "spread", "points"),
    Column("rest_sd", "SD, rest", "spread", "points"),
    Column("detectable", "Detectable", "spread", "points"),
    Column("over_steps", "Over", "steps", "steps"),
)


def table(page: ProofPage, names: Names) -> Section | None:
    """Nothing where nothing was judged."""
    found = rows(page.verdicts)
    if not found:
        return None
    columns = [column for column in COLUMNS if any(_tells(column, row[column.key]) for row in found)]
    measures = {str(row["measure"]) for row in found}
    content = {
        "columns": columns,
        "rows": [[_cell(column, row[column.key], page, names) for column in columns] for row in found],
        "definitions": [
            (definition.title, definition.text if page.transfer else definition.plainly, definition.source)
            for definition in DEFINITIONS
            if not definition.only or definition.only & (measures | {column.key for column in columns})
        ],
    }
    return Section("table", "All numbers, and what they mean", content)


def _tells(column: Column, value: Cell) -> bool:
    """A column without any value is left out; size 0 is one that is not known."""
    return value is not None and (column.key != "size" or value != 0)


def _cell(column: Column, value: Cell, page: ProofPage, names: Names) -> dict[str, object]:
    number = value if isinstance(value, int | float) else None
    text = _text(column.kind, value, number, names)
    sort = "" if value is None else f"{number:.9g}" if number is not None else text
    word = next((word for word in ("helped", "hurt", "no evidence") if word == value), None)
    sign = sign_of(word, page) if column.kind == "word" else None
    return {"text": text, "sort": sort, "kind": column.sorted_as, "sign": sign}


def _text(kind: Kind, value: Cell, number: float | None, names: Names) -> str:
    if value is None:
        return NOTHING
    if number is None:
        return MEASURES.get(str(value), str(value)) if kind == "measure" else names.masked(str(value))
    if kind == "p":
        return p_text(number)
    return {
        "dice": dice_text(number), "points": points_text(number), "spread": points_text(number).lstrip("+"),
        "steps": step_text(number),
    }.get(kind, str(value))  # fmt: skip
