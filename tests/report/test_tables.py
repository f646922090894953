import csv
import dataclasses
import io

import pytest

from seg.records import CaseScore, Evaluation
from seg.report.names import name_patients
from seg.report.tables import case_rows, cases_csv, console_rows, worst_first
from tests.report.conftest import NAMES


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_worst_case_stands_first_and_an_undefined_one_last(evaluation: Evaluation) -> None:
    blank = CaseScore("blank", "blank", "liver", {"dice": None}, "both empty")
    scores = worst_first(dataclasses.replace(evaluation, cases=(blank, *evaluation.cases)))
    assert [score.patient for score in scores] == ["Zoe_Quinn", "MeierKarl", "Jane_Doe", "blank"]


def test_cases_without_any_metric_keep_the_order_of_names() -> None:
    bare = Evaluation(tuple(CaseScore(name, name, "liver", {}) for name in ("b", "a")), {}, {}, "mm")
    assert [score.patient for score in worst_first(bare)] == ["a", "b"]


def test_a_row_keeps_full_values_for_sorting(evaluation: Evaluation) -> None:
    row = case_rows(evaluation, name_patients(evaluation, False), {"liver": "Liver"})[-1]
    assert (row.patient, row.organ, row.note, row.share) == ("P01", "Liver", "", pytest.approx(0.912345))
    assert (row.cells[0].text, row.cells[0].sort) == ("0.912", "0.912345")


def test_an_undefined_value_sorts_as_nothing(evaluation: Evaluation) -> None:
    row = case_rows(evaluation, name_patients(evaluation, False), {})[0]
    assert (row.cells[1].text, row.cells[1].sort) == ("undefined", "")
    assert row.organ == "liver"


def test_the_csv_has_units_full_precision_and_empty_undefined_cells(evaluation: Evaluation) -> None:
    rows = _read(cases_csv(evaluation, show_names=False))
    assert rows[0] == ["patient", "case", "organ", "dice", "hd95_mm", "nsd", "volume_difference_ml", "note"]
    assert rows[1] == ["P01", "P01", "liver", "0.912345", "3.0", "0.95", "-12.34", ""]
    assert rows[3] == ["P03", "P03", "liver", "0.0", "", "0.0", "-900.0", "prediction missing"]


def test_distances_in_pixels_are_named_so(evaluation: Evaluation) -> None:
    text = cases_csv(dataclasses.replace(evaluation, distance_unit="px"), show_names=False)
    assert "hd95_px" in text
    assert "volume_difference_px" in text


def test_the_csv_hides_names_unless_asked(evaluation: Evaluation) -> None:
    hidden, shown = cases_csv(evaluation, show_names=False), cases_csv(evaluation, show_names=True)
    assert not any(name in hidden for name in NAMES)
    assert all(name in shown for name in NAMES)


def test_lines_of_the_csv_end_as_rfc_4180_says(evaluation: Evaluation) -> None:
    text = cases_csv(evaluation, show_names=False)
    assert text.count("\r\n") == text.count("\n") == 4


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\nx"])
def test_a_spreadsheet_takes_no_name_for_a_formula(name: str) -> None:
    evaluation = Evaluation((CaseScore(name, name, name, {name: -0.5}, name),), {}, {}, "mm")
    heading, row = _read(cases_csv(evaluation, show_names=True))
    assert row == [f"'{name}", f"'{name}", f"'{name}", "-0.5", f"'{name}"]
    assert heading[3] == f"'{name}"


@pytest.mark.parametrize("name", ['with "quotes"', "comma, here", "line\nbreak"])
def test_names_survive_the_quoting(name: str) -> None:
    evaluation = Evaluation((CaseScore(name, name, "liver", {"dice": 1.0}),), {}, {}, "mm")
    assert _read(cases_csv(evaluation, show_names=True))[1][:2] == [name, name]


def test_a_name_of_undecodable_bytes_can_be_encoded() -> None:
    evaluation = Evaluation((CaseScore("a\udc80", "a\udc80", "liver", {"dice": 1.0}),), {}, {}, "mm")
    assert cases_csv(evaluation, show_names=True).encode("utf-8")


def test_the_console_gets_a_row_per_organ_and_metric(evaluation: Evaluation) -> None:
    rows = console_rows(evaluation)
    assert rows[0] == ("organ", "metric", "mean", "95 % interval", "n", "undefined")
    assert rows[1] == ("liver", "Dice", "0.407", "0.100 to 0.900", "3", "0")
    assert rows[2] == ("liver", "HD95", "22.25 mm", "", "2", "1")
    assert rows[4] == ("liver", "Volume difference", "-277.4 ml", "-900.0 to +80.0", "3", "0")
