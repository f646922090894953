import dataclasses
import re

import pytest

from seg.proof.guard import judge
from seg.proof.guarded import Probed
from seg.records import CurveRow
from seg.report.html import render
from seg.report.names import name_patients
from seg.report.page import Page
from seg.report.transferred import transferred

WORSE, BETTER = (0.2, 0.3, 0.25), (0.5, 0.62, 0.55)


def _page(
    page: Page, ours: tuple[float, ...], theirs: tuple[float, ...], judged: str = "3 validation patients"
) -> Page:
    arms = [
        Probed(words, {f"p{number}": dice for number, dice in enumerate(values)}, 50, int(bool(values)), 45.0)
        for words, values in (("finetune from Jane_Doe", ours), ("plain training from ImageNet weights", theirs))
    ]
    return dataclasses.replace(page, guard=judge(arms[0], arms[1], judged), curve=(CurveRow(200, {"loss": 1.0}),))


def _text(page: Page, section: str) -> str:
    html = render(page)
    start = html.index(f'<section id="{section}">')
    return " ".join(re.sub(r"<[^>]*>", " ", html[start : html.index("</section>", start)]).split())


def test_a_source_that_hurts_opens_the_page(page: Page):
    opening = _text(_page(page, WORSE, BETTER), "headline")
    assert opening.startswith("Negative transfer: finetune from P01 hurts.")
    assert "So this model is made by plain training from ImageNet weights instead." in opening


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(BETTER, WORSE, "the source helps"), (WORSE, WORSE, "no evidence that the source helps or hurts")],
)
def test_any_other_verdict_stands_after_how_good_the_model_is(page: Page, ours, theirs, verdict):
    shown = _page(page, ours, theirs)
    opening = _text(shown, "headline")
    assert opening.index("reaches a mean Dice of 0.407") < opening.index("The guard found")
    assert f"Verdict: {verdict}." in _text(shown, "transferred")


def test_both_starts_their_difference_and_its_cost_are_shown(page: Page):
    text = _text(_page(page, WORSE, BETTER), "transferred")
    assert "finetune from P01 50 0.250" in text
    assert "plain training from ImageNet weights this model 50 0.557" in text
    assert re.search(
        r"Difference: \N{MINUS SIGN}30\.7 Dice points \(95 % interval \N{MINUS SIGN}\d+\.\d to \N{MINUS SIGN}\d+\.\d\)",
        text,
    )
    assert "judged on 3 validation patients. Cost: 2 short trainings, 100 steps, 33% of all steps, 1.5 min." in text
    kept = _text(_page(page, BETTER, WORSE), "transferred")
    assert "finetune from P01 this model 50 0.557" in kept


def test_where_nothing_could_be_tried_the_reason_is_shown(page: Page):
    shown = _page(page, (), (), "one labelled patient trains and none validates")
    assert "Nothing was tried, since one labelled patient trains and none validates." in _text(shown, "transferred")
    assert "The guard cannot say whether finetune from P01 helps or hurts" in _text(shown, "headline")


def test_one_patient_has_a_difference_and_no_interval(page: Page):
    text = _text(_page(page, (0.5,), (0.4,), "1 validation patient"), "transferred")
    assert "Difference: +10.0 Dice points, without an interval, judged on 1 validation patient." in text


def test_a_model_from_nothing_has_the_section_where_its_guard_was_asked(page: Page):
    bare = dataclasses.replace(page, parts=(), chain=())
    names = name_patients(None, False)
    assert transferred(bare, names) is None
    assert transferred(_page(bare, WORSE, BETTER), names) is not None
