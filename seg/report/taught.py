"""The section of a model that learned from a teacher: which of the two was kept, and how they went together."""

from markupsafe import Markup

from seg.report.names import Names
from seg.report.numbers import look_of, number_text
from seg.report.page import Page
from seg.report.plots import curve_svg
from seg.report.section import Section

_DICE = {"teacher": "val/teacher/dice", "student": "val/student/dice"}
_PLOTS = (
    ({"teacher/weight": "weight"}, "weight of the consistency", "How much the teacher counted.", False),
    (
        {"loss/consistency": "consistency loss"},
        "weighted consistency loss",
        "What the student's disagreement with the teacher cost, times its weight.",
        False,
    ),
    (
        {"teacher/distance": "distance"},
        "share of the length",
        "Distance of the student's weights from the teacher's, as a share of the length of the teacher's.",
        False,
    ),
    (
        {key: name for name, key in _DICE.items()},
        "validation Dice of each",
        "Both on validation patients; the better one was kept.",
        True,
    ),
)


def taught(page: Page, names: Names) -> Section | None:
    """Nothing for a training without a teacher."""
    logged = {key for row in page.curve for key in row.values}
    if "teacher/weight" not in logged:
        return None
    plots = [
        (caption, Markup(curve_svg(page.curve, shown, label, page.best_step, bounded)))
        for titles, label, caption, bounded in _PLOTS
        if (shown := {key: title for key, title in titles.items() if key in logged})
    ]
    return Section("taught", "Teacher and student", {"sentence": kept_sentence(page), "plots": plots})


def kept_sentence(page: Page) -> str:
    """Which of the two the model is, with what both reached on the validation patients at that step."""
    rows = (row.values for row in page.curve if row.step == page.best_step)
    dice = next((values for values in rows if set(_DICE.values()) <= set(values)), None)
    kept, other = ("student", "teacher") if page.best_of == "student" else ("teacher", "student")
    if dice is None:
        return "Nobody was validated: the model is the teacher of the last step."
    reached = {name: number_text(dice[key], look_of("dice")) for name, key in _DICE.items()}
    return (
        f"The model is the {kept} of step {page.best_step}: on the validation patients its mean Dice was "
        f"{reached[kept]}, the {other}'s {reached[other]}."
    )
