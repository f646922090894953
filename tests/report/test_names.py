import dataclasses

from seg.records import CaseScore, Evaluation
from seg.report.names import name_patients, printable


def _evaluation(*pairs: tuple[str, str]) -> Evaluation:
    return Evaluation(tuple(CaseScore(case, patient, "liver", {"dice": 1.0}) for patient, case in pairs), {}, {}, "mm")


def test_patients_are_numbered_in_the_order_of_their_names() -> None:
    names = name_patients(_evaluation(("cat", "c"), ("ant", "a"), ("bee", "b")), show_names=False)
    assert names.patients == {"ant": "P01", "bee": "P02", "cat": "P03"}
    assert names.cases["bee", "b"] == "P02"


def test_cases_of_one_patient_are_counted() -> None:
    names = name_patients(_evaluation(("ant", "late"), ("ant", "early"), ("bee", "b")), show_names=False)
    assert names.cases == {("ant", "early"): "P01-1", ("ant", "late"): "P01-2", ("bee", "b"): "P02"}


def test_pseudonyms_have_one_width() -> None:
    names = name_patients(_evaluation(*((f"{number:04d}", "x") for number in range(120))), show_names=False)
    assert {len(name) for name in names.patients.values()} == {4}


def test_a_patient_only_pictured_does_not_move_the_numbers() -> None:
    names = name_patients(_evaluation(("bee", "b")), show_names=False, also=["ant", "bee"])
    assert names.patients == {"bee": "P01", "ant": "P02"}


def test_real_names_stay_where_asked() -> None:
    names = name_patients(_evaluation(("Anne", "Anne_ct")), show_names=True)
    assert names.patients == {"Anne": "Anne"}
    assert names.cases == {("Anne", "Anne_ct"): "Anne_ct"}
    assert names.masked("Anne came") == "Anne came"


def test_names_in_a_text_are_replaced_longest_first() -> None:
    names = name_patients(_evaluation(("liver_1", "liver_1"), ("liver_1_b", "liver_1_b")), show_names=False)
    assert names.masked("liver_1_b, liver_1_0007.png, liver_10, my-liver_1") == "P02, P01_0007.png, liver_10, my-P01"


def test_names_that_look_like_words_or_counts_leave_texts_alone() -> None:
    names = name_patients(_evaluation(("12", "12"), ("ct", "ct")), show_names=False)
    assert names.masked("12 ct scans of 12345") == "12 ct scans of 12345"


def test_no_evaluation_has_no_names() -> None:
    names = name_patients(None, show_names=False)
    assert names.patients == {}
    assert names.masked("any text") == "any text"


def test_a_mark_stands_for_what_cannot_be_printed() -> None:
    assert printable("a\x00b\udc80c\u202ed\re") == "a�b�c�d�e"
    assert printable("line\n\tnext 肝") == "line\n\tnext 肝"


def test_a_case_name_shared_by_two_patients_is_hidden_too() -> None:
    evaluation = _evaluation(("Anne", "baseline"), ("Bert", "baseline"))
    names = name_patients(dataclasses.replace(evaluation), show_names=False)
    assert "baseline" not in names.masked("the baseline scan of Bert")
