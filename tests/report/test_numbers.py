import pytest

from seg.records import Evaluation, Interval
from seg.report.numbers import (
    MINUS,
    count_text,
    interval_text,
    leading_metric,
    look_of,
    metrics_of,
    number_text,
    range_text,
)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("dice", 0.94349, "0.943"),
        ("dice", 1.0, "1.000"),
        ("dice", None, "undefined"),
        ("hd95", 3.14159, "3.14"),
        ("volume_difference", 12.34, "+12.3"),
        ("volume_difference", -12.34, f"{MINUS}12.3"),
        ("volume_difference", -0.01, "0.0"),
        ("volume_difference", 0.01, "0.0"),
        ("dice", -0.0001, "0.000"),
    ],
)
def test_numbers_are_rounded_for_reading(metric: str, value: float | None, text: str) -> None:
    assert number_text(value, look_of(metric)) == text


def test_units_follow_what_the_scans_say() -> None:
    assert [look_of(name).unit("mm") for name in ("dice", "hd95", "volume_difference")] == ["", "mm", "ml"]
    assert [look_of(name).unit("px") for name in ("dice", "hd95", "volume_difference")] == ["", "px", "px"]


def test_an_undefined_number_has_no_unit() -> None:
    assert number_text(None, look_of("hd95"), "mm") == "undefined"


def test_an_interval_is_written_out() -> None:
    interval = Interval(0.943, 0.931, 0.953, 20, 0)
    assert interval_text(interval, look_of("dice")) == "0.943 (95 % interval 0.931 to 0.953)"


@pytest.mark.parametrize("interval", [Interval(0.9, None, None, 1, 0), Interval(0.9, 0.8, None, 1, 0)])
def test_no_interval_is_no_bracket(interval: Interval) -> None:
    assert range_text(interval, look_of("dice")) == ""
    assert interval_text(interval, look_of("dice")) == "0.900"


def test_badness_grows_towards_the_bad_end() -> None:
    assert look_of("dice").badness(0.2) > look_of("dice").badness(0.9)
    assert look_of("hd95").badness(20) > look_of("hd95").badness(2)
    assert look_of("volume_difference").badness(-30) > look_of("volume_difference").badness(20)


def test_an_unknown_metric_is_shown_by_its_name() -> None:
    look = look_of("lesion_count")
    assert (look.title, look.meaning, number_text(2.5, look)) == ("Lesion count", "", "2.500")


def test_metrics_come_in_the_order_of_their_definitions() -> None:
    interval = Interval(1.0, None, None, 1, 0)
    evaluation = Evaluation((), {"liver": {"nsd": interval, "dice": interval}}, {"iou": "", "nsd": ""}, "mm")
    assert metrics_of(evaluation) == ("iou", "nsd", "dice")
    assert leading_metric(evaluation) == "dice"


def test_nothing_measured_has_no_leading_metric() -> None:
    assert leading_metric(Evaluation((), {}, {}, "mm")) is None


def test_counts_agree_with_their_noun() -> None:
    assert (count_text(1, "case"), count_text(0, "case"), count_text(2, "mass", "masses")) == (
        "1 case",
        "0 cases",
        "2 masses",
    )
