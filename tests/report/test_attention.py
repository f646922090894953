import dataclasses

import pytest

from seg.records import CaseScore, Evaluation, Interval
from seg.report.attention import patient_values, warnings_of
from seg.report.names import name_patients


def _warnings(evaluation: Evaluation) -> str:
    return "\n".join(warnings_of(evaluation, name_patients(evaluation, False), {"liver": "Liver"}))


def _scores(*dice: float | None, note: str = "") -> tuple[CaseScore, ...]:
    named = enumerate(dice)
    return tuple(CaseScore(f"n{number}", f"n{number}", "liver", {"dice": value}, note) for number, value in named)


def test_many_good_patients_need_no_warning() -> None:
    evaluation = Evaluation(_scores(*[0.95] * 10), {"liver": {"dice": Interval(0.95, 0.94, 0.96, 10, 0)}}, {}, "mm")
    assert _warnings(evaluation) == ""


def test_everything_that_deserves_attention_is_said(evaluation: Evaluation) -> None:
    assert _warnings(evaluation).splitlines() == [
        "Liver: Dice is below 0.5 in 2 of 3 patients (P02, P03).",
        "Liver: 1 case without a prediction, counted as Dice 0.",
        "Liver: HD95 has no value for 1 patient; the mean is that of the others.",
        "Only 3 patients were evaluated: the intervals are rough, and failures that are rare may not have shown.",
    ]


def test_one_patient_is_few() -> None:
    assert "Only 1 patient was evaluated" in _warnings(Evaluation(_scores(0.9), {}, {}, "mm"))


def test_pixels_are_not_taken_for_millimetres(evaluation: Evaluation) -> None:
    assert "distances are in pixels" in _warnings(dataclasses.replace(evaluation, distance_unit="px"))


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("both empty", "12 cases in which neither mask shows the organ"),
        ("reference empty", "12 cases in which something was predicted although"),
        ("prediction empty", "12 cases in which nothing was predicted although"),
        ("prediction missing", "12 cases without a prediction"),
    ],
)
def test_empty_and_missing_masks_are_counted(note: str, words: str) -> None:
    assert words in _warnings(Evaluation(_scores(*[None] * 12, note=note), {}, {}, "mm"))


def test_metrics_undefined_alike_share_a_sentence() -> None:
    summary = {"hd95": Interval(1.0, 0.5, 2.0, 18, 2), "assd": Interval(1.0, 0.5, 2.0, 18, 2)}
    warnings = _warnings(Evaluation(_scores(*[0.9] * 20), {"liver": summary}, {}, "mm"))
    assert warnings == "Liver: HD95, ASSD have no value for 2 patients; the mean is that of the others."


def test_a_metric_without_any_value_is_said_to_have_none() -> None:
    summary = {"volume_difference": Interval(None, None, None, 0, 20)}
    warnings = _warnings(Evaluation(_scores(*[0.9] * 20), {"liver": summary}, {}, "mm"))
    assert warnings == "Liver: Volume difference has no value for any patient."


def test_a_long_list_of_low_patients_is_cut() -> None:
    assert "P12 and 8 more)" in _warnings(Evaluation(_scores(*[0.1] * 20), {}, {}, "mm"))


def test_cases_of_a_patient_are_averaged_over_defined_values() -> None:
    cases = tuple(
        CaseScore(name, "anne", "liver", {"dice": value}) for name, value in (("a", 0.2), ("b", 0.6), ("c", None))
    )
    assert patient_values(Evaluation(cases, {}, {}, "mm"), "liver", "dice") == {"anne": pytest.approx(0.4)}
