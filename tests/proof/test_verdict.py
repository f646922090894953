import dataclasses

import numpy as np
import pytest

from seg.errors import DataError
from seg.proof.pairs import Pair, paired
from seg.proof.scores import from_json, to_json
from seg.proof.verdict import overall, spoken_against, verdict, verdict_on, word
from seg.records import to_json as record_to_json

WORDS = ("helped", "hurt", "no evidence")


def _words(found):
    return {row.measure: row.verdict for row in found.measures}


@pytest.mark.parametrize(
    ("arm", "expected", "at_start", "at_end"),
    [
        ((0.4, 0.75), "helped", "helped", "helped"),
        ((0.4, 0.7), "helped", "helped", "no evidence"),
        ((0.1, 0.6), "hurt", "no evidence", "hurt"),
        ((0.4, 0.6), "hurt", "helped", "hurt"),
        ((0.02, 0.7), "hurt", "hurt", "no evidence"),
        ((0.1, 0.7), "no evidence", "no evidence", "no evidence"),
    ],
)
def test_planted_differences_get_their_word(make_table, arm, expected, at_start, at_end):
    found = verdict(make_table({"liver": arm, "scratch": (0.1, 0.7)}), "liver", "scratch", 5)
    assert found.verdict == expected
    assert (_words(found)["start"], _words(found)["asymptote"]) == (at_start, at_end)
    assert found.negative_transfer == ("hurt" in _words(found).values())


def test_exchanging_the_arms_mirrors_everything(make_table):
    pair = paired(make_table({"liver": (0.4, 0.75), "scratch": (0.1, 0.7)}), "liver", "scratch", 5)
    found, mirrored = verdict_on(pair, "liver", "scratch", 5), verdict_on(pair.swapped(), "scratch", "liver", 5)
    assert (found.verdict, mirrored.verdict) == ("helped", "hurt")
    for row, other in zip(found.measures, mirrored.measures, strict=True):
        assert other.estimate == pytest.approx(-row.estimate)
        assert (other.low, other.high) == pytest.approx((-row.high, -row.low))
        assert (other.p_cases, other.p_holm) == pytest.approx((row.p_cases, row.p_holm))
        assert (row.verdict, other.verdict) in {("helped", "hurt"), ("hurt", "helped"), ("no evidence",) * 2}


def test_the_saved_scores_give_the_same_verdict_again(make_table):
    table = make_table({"liver": (0.4, 0.75), "scratch": (0.1, 0.7)})
    assert verdict(from_json(to_json(table)), "liver", "scratch", 5) == verdict(table, "liver", "scratch", 5)


def test_a_difference_below_the_margin_does_not_count(make_table):
    table = make_table({"liver": (0.1, 0.75), "scratch": (0.1, 0.7)})
    assert _words(verdict(table, "liver", "scratch", 5))["asymptote"] == "helped"
    assert _words(verdict(table, "liver", "scratch", 5, margin=0.08))["asymptote"] == "no evidence"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.02, 0.01, 0.03, 0.01), "helped"),
        ((-0.02, -0.03, -0.01, 0.01), "hurt"),
        ((0.02, 0.01, 0.03, 0.05), "no evidence"),
        ((0.02, -0.01, 0.05, 0.01), "no evidence"),
        ((0.009, 0.005, 0.013, 0.001), "no evidence"),
        ((-0.009, -0.013, -0.005, 0.001), "no evidence"),
        ((0.01, 0.005, 0.015, 0.001), "helped"),
        ((None, None, None, None), "no evidence"),
        ((0.3, None, None, None), "no evidence"),
    ],
)
def test_interval_p_and_margin_must_agree(numbers, expected):
    assert word(*numbers) == expected


@pytest.mark.parametrize("start", WORDS)
@pytest.mark.parametrize("slope", WORDS)
@pytest.mark.parametrize("asymptote", WORDS)
def test_the_end_decides_and_nothing_is_said_that_no_measure_says(start, slope, asymptote):
    said = overall({"start": start, "slope": slope, "asymptote": asymptote})
    if asymptote != "no evidence":
        assert said == asymptote
    elif {start, slope} == {"helped", "hurt"}:
        assert said == "no evidence"
    else:
        assert said == next((one for one in (start, slope) if one != "no evidence"), "no evidence")


@pytest.mark.parametrize("of", ["start", "slope"])
def test_a_better_start_is_no_help_where_the_end_points_the_other_way(of):
    words = {"start": "no evidence", "slope": "no evidence", "asymptote": "no evidence"}
    assert overall({**words, of: "helped"}, spoken_against(-0.115, -0.21, -0.02)) == "no evidence"
    assert overall({**words, of: "hurt"}, spoken_against(-0.115, -0.21, -0.02)) == "hurt"
    assert overall({**words, of: "helped"}, spoken_against(-0.115, -0.24, 0.01)) == "helped"
    assert overall({**words, of: "helped"}, spoken_against(-0.009, -0.01, -0.008)) == "helped"
    assert overall({**words, of: "hurt"}, spoken_against(0.01, 0.001, 0.02)) == "no evidence"
    assert overall({**words, of: "helped"}, spoken_against(None, None, None)) == "helped"


def test_where_nothing_is_found_the_needed_cases_are_named(make_table):
    found = verdict(make_table({"liver": (0.1, 0.703), "scratch": (0.1, 0.7)}), "liver", "scratch", 5)
    assert found.verdict == "no evidence"
    assert found.needed.cases > 12
    assert found.needed.difference == pytest.approx(max(0.01, abs(found.measures[-1].estimate)))
    helped = verdict(make_table({"liver": (0.4, 0.75), "scratch": (0.1, 0.7)}), "liver", "scratch", 5)
    assert helped.needed is None


@pytest.mark.parametrize("cases", [1, 2, 5, 6])
def test_too_few_cases_are_no_evidence_however_large_the_difference(make_table, cases):
    found = verdict(make_table({"liver": (0.5, 0.9), "scratch": (0.1, 0.4)}, cases=cases), "liver", "scratch", 5)
    assert found.verdict == "no evidence"
    assert all(row.detectable is None for row in found.measures)
    assert (found.needed is None) == (cases == 1)


def test_what_is_not_judged_is_told(make_table):
    found = verdict(make_table({"liver": (0.5, 0.7), "scratch": (0.1, 0.7)}), "liver", "scratch", 5)
    assert found.area.measure == "area"
    assert 0 < found.area.low < found.area.estimate < found.area.high
    assert [time.share for time in found.times] == [0.9, 0.95]
    assert found.times[0].arm_median < found.times[0].baseline_median
    assert "NaN" not in record_to_json(found)


def test_finished_models_are_judged_by_their_final_dice_alone():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.5, 0.8, (1, 1, 15))
    pair = Pair(base + rng.normal(0.05, 0.02, base.shape), base, np.array([800.0]))
    found = verdict_on(pair, "run-a", "run-b", 0)
    assert (found.verdict, _words(found), found.area, found.times) == ("helped", {"final": "helped"}, None, ())
    assert found.measures[0].p_holm == found.measures[0].p


def test_curves_that_do_not_rise_have_no_slope_and_still_a_verdict(make_table):
    found = verdict(make_table({"liver": (0.6, 0.6), "scratch": (0.4, 0.4)}), "liver", "scratch", 5)
    slope = next(row for row in found.measures if row.measure == "slope")
    assert (slope.estimate, slope.p_holm, slope.detectable, slope.verdict) == (None, None, None, "no evidence")
    assert found.verdict == "helped"


def test_left_out_seeds_and_cases_are_told(make_table):
    table = make_table({"liver": (0.4, 0.75), "scratch": (0.1, 0.7)})
    rows = [row for row in table.rows if (row.arm, row.seed) != ("scratch", 2)]
    rows[3] = dataclasses.replace(rows[3], dice=(None, *rows[3].dice[1:]))
    found = verdict(dataclasses.replace(table, rows=tuple(rows)), "liver", "scratch", 5)
    assert (found.undefined, found.unpaired) == (1, (2,))
    assert (found.measures[0].cases, found.measures[0].seeds) == (11, 2)


def test_an_arm_that_is_not_there_is_refused(make_table):
    with pytest.raises(DataError, match="imagenet"):
        verdict(make_table({"liver": (0.4, 0.7)}), "liver", "imagenet", 5)
