import dataclasses
import re
from collections.abc import Callable

import pytest

from seg.records import CurveRow, PartRow
from seg.report.html import render
from seg.report.names import name_patients
from seg.report.page import Page, SourceCurve
from seg.report.transferred import moved_sentence, rates_text, size_text, transferred
from tests.report.conftest import Outline

NONE = "\N{EN DASH}"
MakeOutline = Callable[[str], Outline]


def _section(page: Page) -> str:
    html = render(page)
    start = html.index('<section id="transferred">')
    return html[start : html.index("</section>", start)]


def _cells(section: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_the_chain_stands_first_to_last_with_what_each_reached(page: Page) -> None:
    rows = _cells(_section(page))
    assert rows[1:4] == [
        ["imagenet (smp-hub/resnet50.imagenet)", NONE, NONE, NONE, NONE, "999999999999"],
        ["spleen-1", "spleen", "supervised", "0.876", "0.871", "aaaaaaaaaaaa"],
        ["liver-2 this model", "Liver", "finetune, l2sp", "0.500", "0.407", "bbbbbbbbbbbb"],
    ]


def test_every_part_has_its_counts(page: Page) -> None:
    rows = _cells(_section(page))
    assert rows[5:] == [
        ["stem", "6", "5", "1", "0", "6", "9.54\N{NO-BREAK SPACE}thousand", "0", NONE],
        ["stage1", "54", "54", "0", "0", "0", *["216\N{NO-BREAK SPACE}thousand"] * 2, "0.1 to 0.5"],
        ["decoder", "60", "58", "0", "2", "0", *["9.01\N{NO-BREAK SPACE}million"] * 2, "1"],
        ["edge head", "4", "0", "0", "4", "0", *["2.46\N{NO-BREAK SPACE}thousand"] * 2, "0.5, 1"],
    ]


def test_several_test_organs_are_told_apart(page: Page) -> None:
    both = dataclasses.replace(page.chain[1], organs=("liver", "spleen"), test_dice=(("liver", 0.9), ("spleen", 0.8)))
    section = _section(dataclasses.replace(page, chain=(both, page.chain[2])))
    assert _cells(section)[1][1::3] == ["Liver, spleen", "Liver 0.900, spleen 0.800"]


def test_the_sources_curve_lies_beside_the_models_own(page: Page) -> None:
    section = _section(page)
    assert {"this model", "spleen", "mean validation Dice", "kept: step 15"} <= set(
        re.findall(r"<text[^>]*>([^<]*)</text>", section)
    )
    assert 'aria-label="Validation Dice over the steps; at the end this model 0.500, spleen 0.876."' in section
    assert {"var(--series-1)", "var(--series-2)"} <= set(re.findall(r"var\(--series-\d\)", section))


@pytest.mark.parametrize("lacking", ["source_curves", "curve"])
def test_without_both_curves_there_is_no_plot(page: Page, lacking: str) -> None:
    assert "<svg" not in _section(dataclasses.replace(page, **{lacking: ()}))


def test_a_source_without_organs_is_called_by_its_name(page: Page) -> None:
    curve = SourceCurve("restored-1", (), ((1, 0.5),))
    assert ">restored-1<" in _section(dataclasses.replace(page, source_curves=(curve,)))


def test_a_start_from_nothing_has_no_such_section(page: Page) -> None:
    fresh = PartRow("stem", 6, 100, 100, 0, 0, 6, 0, (1.0,))
    scratch = dataclasses.replace(page, chain=(), source_curves=(), parts=(fresh,))
    names = name_patients(page.evaluation, False)
    assert transferred(scratch, names) is None
    assert transferred(dataclasses.replace(scratch, parts=(dataclasses.replace(fresh, frozen=1),)), names) is not None


def test_a_chain_without_counted_parts_is_shown_alone(page: Page) -> None:
    section = _section(dataclasses.replace(page, parts=()))
    assert "spleen-1" in section
    assert "stem" not in section


def test_names_of_patients_are_hidden_in_runs_too(page: Page) -> None:
    gossip = dataclasses.replace(
        page,
        chain=(dataclasses.replace(page.chain[1], name="of-Jane_Doe"), page.chain[2]),
        source_curves=(SourceCurve("by-MeierKarl", (), ((1, 0.5),)),),
    )
    section = _section(gossip)
    assert "Jane_Doe" not in section
    assert "MeierKarl" not in section


def test_validations_that_end_elsewhere_are_drawn_to_their_own_end(page: Page, outline: MakeOutline) -> None:
    curve = tuple(CurveRow(step, {"val/dice/mean": 0.3}) for step in (1, 2))
    text = outline(render(dataclasses.replace(page, curve=curve, source_curves=page.source_curves * 2)))
    labels = [attributes.get("aria-label") or "" for _, attributes in text.tags]
    assert "Validation Dice over the steps; at the end this model 0.300, spleen 0.876, spleen 0.876." in labels


def test_the_sentence_counts_what_moved() -> None:
    part = PartRow("stem", 10, 1_500_000, 0, 7, 2, 1, 10)
    assert moved_sentence((part,)) == (
        "9 of 10 tensors were taken over, 2 of them in another shape or order; 1 other started from nothing. "
        "At the first step 0 of 1.50\N{NO-BREAK SPACE}million parameters learn."
    )
    whole = dataclasses.replace(part, loaded=10, adapted=0, fresh=0)
    assert moved_sentence((whole,)).startswith("10 of 10 tensors were taken over. ")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 thousand"), (23_456, "23.5 thousand"), (148_000, "148 thousand"),
     (23_508_032, "23.5 million"), (1_234_567_890, "1235 million")],
)  # fmt: skip
def test_sizes_are_read_at_a_glance(number: int, text: str) -> None:
    assert size_text(number) == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("factors", "text"), [((), ""), ((1.0,), "1"), ((1.0, 0.5), "0.5, 1"), ((0.1, 0.3333, 2), "0.1 to 2")]
)
def test_rates_are_listed_or_spanned(factors: tuple[float, ...], text: str) -> None:
    assert rates_text(factors) == text
