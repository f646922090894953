from dataclasses import replace
from pathlib import Path

import pytest

from seg.report.advised.charts import map_svg, quadrant_svg
from seg.report.advised.html import render, write_advice_page
from seg.report.advised.page import (
    AdvicePage,
    MapChart,
    MapPoint,
    QuadrantChart,
    QuadrantPoint,
    RankRow,
    SourceValues,
)
from seg.report.advised.tables import measure_cells, measure_rows, number, ranking_rows
from seg.report.numbers import MINUS

STRATEGIES = {
    (True, True): "feature_extract", (True, False): "gradual", (False, True): "freeze", (False, False): "finetune",
}  # fmt: skip
QUADRANT = QuadrantChart(
    40, 1000, 1.0, STRATEGIES,
    (QuadrantPoint("liver-1", 1.9, (1.7, 2.0)), QuadrantPoint("spleen-1", 0.4, None),
     QuadrantPoint("imagenet", None, None)),
)  # fmt: skip
POINTS = (MapPoint("liver", -0.2, 0.1, False), MapPoint("spleen", -0.19, 0.11, False),
          MapPoint("pancreas (target)", 0.4, -0.2, True))  # fmt: skip
MAP = MapChart(
    "imagenet", "maximum mean discrepancy", 0.97, POINTS, ((0.0, 0.1, 0.6), (0.1, 0.0, 0.6), (0.6, 0.6, 0.0)), ("none",)
)


def _row(rank: int, name: str) -> RankRow:
    return RankRow(rank, name, "liver" if rank == 1 else "", f"{rank}", 1.0 if rank == 1 else 0.0, 0.9, "12 patients",
                   "small, different")  # fmt: skip


@pytest.fixture
def page() -> AdvicePage:
    return AdvicePage(
        title="What to transfer to the pancreas",
        sentences=("Start from liver-1.", "It is sure <b>enough</b>."),
        why="The target is small.",
        command="seg transfer --from liver-1 --to pancreas",
        path_why="The spleen lies on the way.",
        path_command="seg transfer --via spleen",
        ranking=(_row(1, "liver-1"), _row(2, "imagenet")),
        measures=(
            SourceValues("LogME", "whole slices", "higher", ((-0.5, (-0.7, -0.3)), (-0.2, None))),
            SourceValues("MMD", "the boundary", "lower", ((0.1, (0.05, 0.2)), None)),
        ),
        definitions=(("LogME", "The evidence."),),
        quadrant=QUADRANT,
        map=MAP,
        facts=(("liver-1", ("Modality: both ct.",)),),
        gains=(("first, 5 labelled patients", "liver-1", 0.041, "finetune"),),
        agreements=("Over the 3 sources of first they correlate with 1.00.",),
        notes=("liver-1 cannot be told from imagenet.",),
        left_out=tuple((f"run-{number}", "too old") for number in range(14)),
        rows=(("Draws of patients", "200"),),
        versions={"seg": "0.1"},
    )


def test_the_page_shows_the_advice_first_and_everything_it_rests_on(page: AdvicePage, tmp_path: Path) -> None:
    write_advice_page(tmp_path / "a.html", page)
    text = (tmp_path / "a.html").read_text()
    body = text.partition("</header>")[2]
    places = [body.index(word) for word in ("Start from liver-1.", "The target is small.", page.command,
                                            "Sources, the most promising first", "cannot be told from imagenet",
                                            "How much should learn", "How far the data sets lie apart",
                                            "The spleen lies on the way.", "What was measured", "Modality: both ct.",
                                            "they correlate with 1.00", "Draws of patients", "seg 0.1")]  # fmt: skip
    assert places == sorted(places)
    assert "&lt;b&gt;enough&lt;/b&gt;" in text
    assert text.count("<svg aria-hidden") == 2
    assert "two dimensions hold 97&nbsp;%" in text
    assert "Without scans, so not on the map: none" in text
    assert "Nothing is known of the scans of imagenet" in text
    assert "+4.1" in text
    assert "2 more" in text
    assert render(page) == text


def test_what_is_empty_leaves_its_section_out_or_says_so(page: AdvicePage) -> None:
    bare = replace(page, map=None, facts=(), gains=(), agreements=(), notes=(), left_out=(), path_command="")
    text = render(bare)
    assert "There is no map" in text
    assert "No proof of these sources for this target yet" in text
    assert "What this does not know" not in text
    assert "How the scans differ" not in text
    assert "A rank correlation takes three sources" in render(replace(page, agreements=()))


def test_the_best_value_of_a_measure_stands_out_where_there_are_two(page: AdvicePage) -> None:
    log_me, mmd = measure_cells(page.measures)
    assert [cell.best for cell in log_me.cells] == [False, True]
    assert [cell.best for cell in mmd.cells] == [False, False]
    assert (log_me.cells[0].interval, mmd.cells[1].text) == (f"{MINUS}0.700 to {MINUS}0.300", "")
    assert (number(-12.345), number(0.1234)) == (f"{MINUS}12.35", "0.123")


def test_the_console_gets_the_same_numbers_in_plain_letters(page: AdvicePage) -> None:
    heading, log_me, mmd = measure_rows(page)
    assert heading == ("measure", "taken on", "better", "liver-1", "imagenet")
    assert log_me == ("LogME", "whole slices", "higher", "-0.500 (-0.700 to -0.300)", "-0.200")
    assert mmd[-1] == "-"
    assert ranking_rows(page)[1][:4] == ("1", "liver-1", "liver", "1")


@pytest.mark.parametrize("slices", [1, 40, 990, 1000, 2_000_000])
@pytest.mark.parametrize("count", [0, 1, 12])
def test_sources_are_drawn_in_the_half_of_the_target(slices: int, count: int) -> None:
    points = tuple(QuadrantPoint(f"run-{number}", number / 6, (number / 8, number / 5)) for number in range(count))
    text = quadrant_svg(replace(QUADRANT, slices=slices, points=points))
    assert all(point.name in text for point in points)
    assert "small, different: gradual" in text
    assert "$" not in text


def test_the_map_names_every_data_set_and_its_scale() -> None:
    text = map_svg(MAP)
    assert all(point.name in text for point in POINTS)
    assert ">0.1<" in text
    alone = (MapPoint("liver", 0.0, 0.0, False), MapPoint("pancreas", 0.0, 0.0, True))
    assert "pancreas" in map_svg(replace(MAP, points=alone))
