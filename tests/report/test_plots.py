import math
import re
from xml.etree import ElementTree

import pytest

from seg.records import CurveRow, Interval
from seg.report.plots import Strip, curve_points, curve_svg, distribution_svg


def _parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("xlink:href", "href"))


def _texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in _parsed(svg).iter("text")]


def test_every_patient_is_a_point() -> None:
    strip = Strip("Liver", (0.9, 0.95, 0.7, 0.95), Interval(0.875, 0.8, 0.95, 4, 0))
    svg = distribution_svg([strip], "Dice per patient")
    assert len(re.findall(r"<use [^>]*var\(--series-1\)", svg)) == 4
    assert {"Liver", "Dice per patient", "1.00"} <= set(_texts(svg))


@pytest.mark.parametrize("values", [(), (0.0,), (1.0, 1.0), (0.0, 1.0)])
def test_a_strip_of_any_length_can_be_drawn(values: tuple[float, ...]) -> None:
    svg = distribution_svg([Strip("Liver", values, Interval(None, None, None, 0, 0))], "Dice")
    assert "NaN" not in svg
    assert len(re.findall(r"<use [^>]*var\(--series-1\)", svg)) == len(values)


def test_a_mean_without_interval_is_a_diamond_alone() -> None:
    with_line = distribution_svg([Strip("Liver", (0.9,), Interval(0.9, 0.8, 0.95, 1, 0))], "Dice")
    alone = distribution_svg([Strip("Liver", (0.9,), Interval(0.9, None, None, 1, 0))], "Dice")
    assert with_line.count("<path") == alone.count("<path") + 1


def test_the_colours_are_those_of_the_page() -> None:
    svg = distribution_svg([Strip("Liver", (0.9, 0.8))], "Dice")
    assert "var(--ink)" in svg
    assert not re.search("#0[0-9a-f]{5}(?![0-9a-f])", svg)
    assert "font-family" not in svg
    assert "<style" not in svg


def test_the_kept_step_is_marked() -> None:
    rows = [CurveRow(step, {"val/dice": 0.5}) for step in (10, 20)]
    assert "kept: step 20" in _texts(curve_svg(rows, {"val/dice": "Liver"}, "Dice", 20, bounded=True))
    assert not any("kept" in text for text in _texts(curve_svg(rows, {"val/dice": "Liver"}, "Dice", None)))


def test_a_title_is_not_read_as_a_formula_or_a_hidden_line() -> None:
    rows = [CurveRow(1, {"a": 1.0, "b": 1.0, "c": 1.0})]
    titles = {"a": r"$\frac{$ <b>", "b": "_hidden", "c": "a very long title of some organ or other"}
    texts = _texts(curve_svg(rows, titles, "loss", None))
    assert r"$\frac{$ <b>" in texts
    assert "hidden" in texts
    assert "a very long title of so…" in texts


def test_letters_that_the_drawing_font_lacks_are_left_to_the_browser() -> None:
    assert "肝臓" in _texts(distribution_svg([Strip("肝臓", (0.9,))], "Dice"))


def test_two_plots_on_a_page_share_no_id() -> None:
    rows = [CurveRow(step, {"x": 1.0 / step}) for step in range(1, 9)]
    first, second = (curve_svg(rows, {"x": "x"}, label, 3) for label in ("loss", "Dice"))
    ids = [set(re.findall(r'\bid="([^"]*)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_same_curve_gives_the_same_text() -> None:
    rows = [CurveRow(step, {"x": 1.0 / step}) for step in range(1, 9)]
    assert curve_svg(rows, {"x": "x"}, "loss", 3) == curve_svg(rows, {"x": "x"}, "loss", 3)


def test_values_that_are_not_finite_are_left_out() -> None:
    rows = [CurveRow(1, {"x": math.nan}), CurveRow(2, {"x": 2.0}), CurveRow(3, {"x": math.inf}), CurveRow(4, {})]
    assert curve_points(rows, "x") == ([2.0], [2.0])


def test_a_long_curve_is_averaged_down() -> None:
    rows = [CurveRow(step, {"x": float(step)}) for step in range(1, 3001)]
    steps, values = curve_points(rows, "x")
    assert len(steps) == 300
    assert (steps[0], values[0]) == (5.5, 5.5)
