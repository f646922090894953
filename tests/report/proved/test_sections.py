import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from markupsafe import Markup

from seg.proof.curves import asymptote
from seg.proof.scores import ScoreTable
from seg.proof.table import rows
from seg.proof.times import TimeTo
from seg.proof.verdict import Verdict
from seg.report.names import name_patients
from seg.report.proved.arms import looks
from seg.report.proved.averages import average_curve, average_end, patient_ends
from seg.report.proved.background import warnings_of
from seg.report.proved.curves import curves
from seg.report.proved.forest import Axis, axis_of, forest
from seg.report.proved.headline import headline
from seg.report.proved.html import render
from seg.report.proved.labels import labels
from seg.report.proved.page import ProofPage
from seg.report.proved.paired import paired
from seg.report.proved.pictures import pictures
from seg.report.proved.table import COLUMNS, table
from seg.report.proved.times import times
from seg.report.proved.words import dice_text, p_text, points_text, range_text
from seg.report.section import Section
from tests.report.proved.conftest import ARMS, NAMES, scores

MakePage = Callable[..., ProofPage]


def _names(page: ProofPage):
    return name_patients(None, page.show_names, page.scores.cases)


def _built(build: Callable[..., Section | None], page: ProofPage) -> dict:
    section = build(page, _names(page))
    assert section is not None
    return section.content


def _without(table: ScoreTable, case: int) -> ScoreTable:
    """The same scores, one case undefined in a single evaluation."""
    first, *others = table.rows
    dice = tuple(None if place == case else value for place, value in enumerate(first.dice))
    return ScoreTable(table.cases, (replace(first, dice=dice), *others))


def test_numbers_of_the_table_are_those_of_the_records(page: ProofPage) -> None:
    content = _built(table, page)
    expected = rows(page.verdicts)
    assert len(content["rows"]) == len(expected) == 16
    keys = [column.key for column in content["columns"]]
    assert keys == [column.key for column in COLUMNS]
    for cells, row in zip(content["rows"], expected, strict=True):
        shown = dict(zip(keys, cells, strict=True))
        assert shown["difference"]["text"] == points_text(row["difference"])
        assert float(shown["difference"]["sort"]) == pytest.approx(row["difference"])
        assert shown["arm_dice"]["text"] == dice_text(row["arm_dice"])
        assert shown["p"]["text"] == p_text(row["p"])
        assert (shown["verdict"]["sign"] or {}).get("word") == row["verdict"]


def test_every_measure_of_the_table_is_defined_with_its_source(page: ProofPage) -> None:
    titles = [title for title, _, _ in _built(table, page)["definitions"]]
    assert {"End", "Start", "Slope", "Area", "Difference", "p, Holm", "Verdict", "Detectable"} <= set(titles)
    assert "Dice" not in titles


def test_a_column_without_a_value_is_left_out(make_page: MakePage) -> None:
    one_patient = make_page(scores(ARMS, sizes=(0,), seeds=1, names=NAMES[:1]), pictures=())
    keys = {column.key for column in _built(table, one_patient)["columns"]}
    assert keys.isdisjoint({"low", "high", "p", "size", "detectable"})
    assert {"difference", "arm_dice"} <= keys


def test_points_and_intervals_of_the_forest_are_those_of_the_records(page: ProofPage) -> None:
    content = _built(forest, page)
    drawn = [row for group in content["tables"][0]["groups"] for row in group["rows"]]
    judged = [row for verdict in page.verdicts for row in verdict.measures]
    assert sorted(row["difference"] for row in drawn) == sorted(points_text(row.estimate) for row in judged)
    assert sorted(row["range"] for row in drawn) == sorted(range_text(row.low, row.high) for row in judged)
    axis = axis_of(judged)
    assert sorted(row["point"] for row in drawn) == sorted(axis.place(row.estimate or 0.0) for row in judged)
    assert all(row["span"][0] <= row["point"] <= row["span"][1] for row in drawn)
    assert content["margins"] == [axis.place(-0.01), axis.place(0.01)]


def test_groups_of_the_forest_begin_with_the_end(page: ProofPage) -> None:
    groups = _built(forest, page)["tables"][0]["groups"]
    assert [group["title"] for group in groups] == ["End", "Start", "Slope"] * 2
    assert [row["arm"] for row in groups[0]["rows"]] == ["finetune", "freeze"]


@pytest.mark.parametrize(("low", "high"), [(-0.3, 0.2), (-0.02, 0.02), (-1.0, 1.0), (-0.001, 0.8)])
def test_an_axis_has_few_round_numbers_with_zero_among_them(low: float, high: float) -> None:
    ticks = Axis(low, high).ticks
    assert 2 <= len(ticks) <= 6
    assert (Axis(low, high).place(0), "0") in ticks
    assert all(0 <= place <= 100 for place, _ in ticks)


def test_an_undefined_measure_has_a_row_without_a_point(make_page: MakePage) -> None:
    flat = make_page(scores({"scratch": (0.5, 0.5), "finetune": (0.5, 0.5)}, sizes=(5,)))
    slope = next(group for group in _built(forest, flat)["tables"][0]["groups"] if group["title"] == "Slope")
    assert slope["rows"][0]["point"] is None
    assert slope["rows"][0]["difference"] == "\N{EN DASH}"
    assert "nan" not in render(flat).lower().replace("nant", "")


def test_a_curve_is_the_mean_over_patients_and_trainings(page: ProofPage) -> None:
    found = average_curve(page.scores, "finetune", 10)
    assert found is not None
    steps, average = found
    dice = np.array([page.scores.curve("finetune", 10, seed)[1] for seed in (0, 1, 2)])
    assert steps == (0, 100, 200, 400, 800)
    np.testing.assert_allclose(average.mean, dice.mean((0, 2)))
    assert (average.low < average.mean).all()
    assert (average.high > average.mean).all()
    end = average_end(page.scores, "finetune", 10)
    assert end is not None
    assert end.mean[0] == pytest.approx(asymptote(dice).mean())


def test_a_patient_without_a_dice_somewhere_is_in_no_curve_of_that_size(page: ProofPage) -> None:
    holed = _without(page.scores, 2)
    for arm in ARMS:
        found = average_curve(holed, arm, 2)
        assert found is not None
        assert found[1].cases == 7
        assert average_curve(holed, arm, 10)[1].cases == 8
    assert average_curve(holed, "nobody", 2) is None
    assert np.isnan(patient_ends(holed, "scratch", 2, [0])[2])


def test_there_is_a_plot_per_size_with_a_line_per_arm(page: ProofPage) -> None:
    content = _built(curves, page)
    assert [plot["heading"] for plot in content["plots"]] == ["2 labelled patients", "10 labelled patients"]
    assert isinstance(content["plots"][0]["svg"], Markup)
    for colour in ("var(--ink)", "var(--series-1)", "var(--series-2)"):
        assert colour in content["plots"][0]["svg"]
    assert (content["cases"], content["seeds"], content["bands"]) == ([8], [3], True)
    assert all(arm in content["plots"][1]["description"] for arm in ARMS)


def test_a_single_evaluation_has_no_curve_and_no_times(make_page: MakePage) -> None:
    final = make_page(scores({"scratch": (0.4, 0.4), "finetune": (0.5, 0.5)}, sizes=(5,), steps=(0,)))
    assert curves(final, _names(final)) is None
    assert times(final, _names(final)) is None


def test_labels_have_a_sentence_each_and_a_plot(page: ProofPage) -> None:
    content = _built(labels, page)
    assert len(content["sentences"]) == 2
    assert content["sentences"][0].startswith("finetune needs 2 labelled patients, the fewest that were tried, for the")
    assert content["sentences"][1].startswith("freeze does not reach the Dice of")
    assert "var(--series-1)" in content["plot"]
    end = average_end(page.scores, "finetune", 10)
    assert f"{dice_text(float(end.mean[0]))} with 10" in content["description"]


def test_labels_of_one_size_have_no_section(make_page: MakePage) -> None:
    single = make_page(scores(ARMS, sizes=(5,)))
    assert labels(single, _names(single)) is None


def test_every_patient_is_a_line_from_baseline_to_arm(page: ProofPage) -> None:
    content = _built(paired, page)
    panels = [panel for group in content["groups"] for panel in group["panels"]]
    assert len(panels) == len(page.verdicts)
    first = panels[0]
    assert len(first["lines"]) == 8
    before, after = (patient_ends(page.scores, arm, 2, (0, 1, 2)) for arm in ("scratch", first["arm"]))
    assert first["change"] == f"mean {dice_text(float(before.mean()))} to {dice_text(float(after.mean()))}"
    assert first["lines"][3]["title"].startswith(f"P04: {dice_text(float(before[3]))} to {dice_text(float(after[3]))}")
    assert first["counts"] == "8 better, 0 worse of 8 patients"


def test_a_patient_without_a_dice_has_no_line(page: ProofPage, make_page: MakePage) -> None:
    holed = make_page(_without(page.scores, 2))
    panels = [panel for group in _built(paired, holed)["groups"] for panel in group["panels"]]
    assert sorted({len(panel["lines"]) for panel in panels}) == [7, 8]


def test_pictures_of_a_patient_stand_side_by_side(page: ProofPage) -> None:
    (row,) = _built(pictures, page)["rows"]
    assert row["patient"] == "P03"
    assert row["title"] == "finetune gains most"
    assert [shown["arm"] for shown in row["pictures"]] == ["scratch", "finetune"]
    assert row["pictures"][0]["outlines"].prediction != row["pictures"][1]["outlines"].prediction


def test_times_that_were_never_reached_are_said_as_such(page: ProofPage) -> None:
    content = _built(times, page)
    never = [row for row in content["rows"] if row["arm"] == "freeze"]
    assert never[0]["ours"]["text"] == "not within 800 steps"
    assert never[0]["ours"]["each"] == "never, never, never"
    assert float(never[0]["ours"]["sort"]) > 800
    reached = next(row for row in content["rows"] if row["arm"] == "finetune")
    assert re.fullmatch(r"\d+\.\d times", reached["faster"]["text"])


def test_a_baseline_that_never_comes_back_to_its_end_bounds_the_ratio(page: ProofPage) -> None:
    first = page.verdicts[0]
    cases = {
        "at least 4.0 times": TimeTo(0.9, 0.4, (200.0,), (None,), 200.0, None, 800.0),
        "from the start": TimeTo(0.9, 0.4, (0.0,), (400.0,), 0.0, 400.0, 800.0),
        "\N{EN DASH}": TimeTo(0.9, 0.4, (None,), (400.0,), None, 400.0, 800.0),
    }
    for expected, time in cases.items():
        changed: Verdict = replace(first, times=(time,))
        row = _built(times, replace(page, verdicts=(changed,)))["rows"][0]
        assert row["faster"]["text"] == expected
        assert row["ours"]["each"] == ""


def test_a_glance_shows_the_end_and_what_the_word_was_said_of(page: ProofPage) -> None:
    content = _built(headline, page)
    (glance,) = content["tables"]
    assert glance["sizes"] == ["2 labelled patients", "10 labelled patients"]
    cell = glance["rows"][0]["cells"][0]
    verdict = page.verdicts[0]
    assert cell["sign"]["word"] == verdict.verdict == "helped"
    assert cell["end"] == points_text(next(row.estimate for row in verdict.measures if row.measure == "asymptote"))
    assert "end" in cell["of"]
    assert len(content["sentences"]) == 3
    assert len(content["more"]) == len(page.sentences) - 3


def test_baselines_are_dashed_ink_and_other_arms_have_colours_of_their_own(make_page: MakePage) -> None:
    arms = {"scratch": (0.1, 0.4), "imagenet": (0.1, 0.4), **{f"arm {n}": (0.2, 0.5) for n in range(9)}}
    many = make_page(scores(arms, sizes=(5,), seeds=1, names=NAMES[:2]), ("scratch", "imagenet"), pictures=())
    found = looks(many, _names(many))
    assert [look.baseline for look in found.values()] == [True, True] + [False] * 9
    assert len({(look.css, look.dasharray) for look in found.values()}) == 11
    assert found["arm 0"].dasharray == "none"


def test_weak_experiments_are_warned_of(make_page: MakePage, page: ProofPage) -> None:
    weak = make_page(_without(scores(ARMS, sizes=(2,), seeds=1), 0))
    told = " ".join(warnings_of(weak.verdicts))
    assert "Only 7 patients could be compared" in told
    assert "one training each" in told
    assert "1 patient left out" in told
    unpaired = replace(page.verdicts[0], unpaired=(2, 3))
    assert "Seed 2, 3 left out of finetune beside scratch" in " ".join(warnings_of([unpaired]))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "\N{EN DASH}"), (0.0001, "< 0.001"), (0.0312, "0.031"), (1.0, "1.000")]
)
def test_p_is_never_shown_as_nothing(value: float | None, text: str) -> None:
    assert p_text(value) == text
