import dataclasses

import pytest

from seg.records import CurveRow
from seg.report.html import render
from seg.report.names import name_patients
from seg.report.page import Page
from seg.report.taught import kept_sentence, taught


def test_the_section_says_which_of_the_two_is_the_model_and_what_both_reached(page: Page) -> None:
    assert kept_sentence(page) == (
        "The model is the teacher of step 15: on the validation patients its mean Dice was 0.500, the student's 0.440."
    )
    student = dataclasses.replace(page, best_of="student")
    assert kept_sentence(student) == (
        "The model is the student of step 15: on the validation patients its mean Dice was 0.440, the teacher's 0.500."
    )


def test_a_page_draws_weight_loss_distance_and_both_scores(page: Page) -> None:
    section = taught(page, name_patients(None, False))
    assert section is not None
    drawn = [str(plot) for _, plot in section.content["plots"]]
    expected = (("weight",), ("consistency loss",), ("distance",), ("teacher", "student"))
    assert len(drawn) == len(expected)
    for plot, titles in zip(drawn, expected, strict=True):
        assert all(f">{title}</text>" in plot for title in titles)
        assert "kept: step 15" in plot


@pytest.mark.parametrize("left_out", ["val/teacher/dice", "val/student/dice"])
def test_without_validation_the_teacher_of_the_last_step_is_the_model(page: Page, left_out: str) -> None:
    rows = tuple(CurveRow(row.step, {k: v for k, v in row.values.items() if k != left_out}) for row in page.curve)
    assert kept_sentence(dataclasses.replace(page, curve=rows, best_step=20)) == (
        "Nobody was validated: the model is the teacher of the last step."
    )


def test_a_training_without_a_teacher_has_no_such_section(page: Page) -> None:
    rows = tuple(CurveRow(row.step, {"loss": row.values["loss"]}) for row in page.curve)
    alone = dataclasses.replace(page, curve=rows)
    assert taught(alone, name_patients(None, False)) is None
    assert "Teacher and student" not in render(alone)
