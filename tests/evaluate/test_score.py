import json
import math

import numpy as np
import pytest

from seg.errors import DataError, UsageError
from seg.evaluate.score import metrics_by_name, missing_score, patient_means, score_masks, summarise
from seg.records import CaseScore, evaluation_from_json, to_json
from seg.registry import METRICS

ALL = METRICS.names()


def scored(prediction, reference, **more):
    return score_masks("case", "patient", "liver", prediction, reference, (2.0, 1.0, 0.5), ALL, 2.0, **more)


def row(case, patient, value, note="", organ="liver"):
    return CaseScore(case, patient, organ, {"dice": value}, note)


def test_all_metrics_are_in_the_score_and_in_the_order_asked_for(filled):
    score = score_masks("c", "p", "liver", filled, filled, (2.0, 1.0, 0.5), ["nsd", "dice"], 2.0)
    assert list(score.values.items()) == [("nsd", 1.0), ("dice", 1.0)]
    assert (score.case, score.patient, score.organ, score.note) == ("c", "p", "liver", "")


def test_notes_tell_the_empty_masks_apart(filled):
    empty = np.zeros_like(filled)
    assert scored(filled, filled).note == ""
    assert scored(empty, filled).note == "prediction empty"
    assert scored(filled, empty).note == "reference empty"
    assert scored(empty, empty).note == "both empty"
    assert set(scored(empty, empty).values.values()) == {None}


def test_a_missing_prediction_is_the_worst_and_never_undefined(filled):
    score = missing_score("c", "p", "liver", filled, (2.0, 1.0, 0.5), ALL, 2.0)
    diagonal = pytest.approx(math.sqrt(8.0**2 + 6.0**2 + 4.0**2))
    assert score.note == "prediction missing"
    assert score.values == {
        "dice": 0.0, "iou": 0.0, "precision": 0.0, "recall": 0.0, "nsd": 0.0,
        "hd95": diagonal, "assd": diagonal, "volume_difference": -0.016,
    }  # fmt: skip
    nothing_there = missing_score("c", "p", "liver", np.zeros_like(filled), (2.0, 1.0, 0.5), ALL, 2.0)
    assert nothing_there.values["dice"] == 0.0
    assert None not in nothing_there.values.values()


def test_ignored_voxels_count_in_neither_mask(filled):
    valid = np.ones_like(filled)
    valid[:, :, 4:] = False
    cut = filled & valid
    assert scored(filled, cut).values["dice"] < 1.0
    assert scored(filled, cut, valid=valid).values == scored(cut, cut).values
    assert scored(cut, filled, valid=valid).values["volume_difference"] == 0.0
    assert missing_score("c", "p", "o", filled, None, ["volume_difference"], 2.0, valid).values == {
        "volume_difference": -float(cut.sum())
    }


def test_masks_of_different_shapes_are_refused_with_and_without_a_valid_mask(filled):
    for valid in (None, np.ones_like(filled)):
        with pytest.raises(DataError, match="one shape"):
            scored(filled[1:], filled, valid=valid)


def test_an_unknown_metric_is_refused_with_the_nearest_name(filled):
    with pytest.raises(UsageError, match="Did you mean 'dice'"):
        metrics_by_name(["dise"])


def test_the_cases_of_one_patient_are_averaged_first():
    rows = [row("a1", "a", 0.2), row("a2", "a", 0.6), row("b1", "b", 0.8)]
    found = summarise(rows, ["dice"], 100, "mm", {"liver": 3.0}).summary["liver"]["dice"]
    assert found.mean == pytest.approx(0.6)
    assert (found.n, found.n_undefined) == (2, 0)


def test_a_table_with_missing_empty_and_undefined_cases_comes_out_as_by_hand():
    rows = [
        row("a1", "a", None, "both empty"), row("a2", "a", 0.5),
        row("b1", "b", None, "both empty"),
        row("c1", "c", 0.0, "prediction missing"),
        row("d1", "d", 0.0, "reference empty"), row("d2", "d", 1.0), row("d3", "d", 0.5),
        row("e1", "e", math.nan),
    ]  # fmt: skip
    assert patient_means(rows[:-1], "liver", "dice") == {"a": 0.5, "b": None, "c": 0.0, "d": 0.5}
    evaluation = summarise(rows[:-1], ["dice"], 100, "mm", {"liver": 3.0})
    found = evaluation.summary["liver"]["dice"]
    assert found.mean == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert (found.n, found.n_undefined) == (3, 1)
    assert evaluation.counts == {"liver": {"both empty": 2, "prediction missing": 1, "reference empty": 1}}
    assert evaluation.cases == tuple(rows[:-1])
    with_nan = summarise(rows, ["dice"], 100, "mm", {"liver": 3.0}).summary["liver"]["dice"]
    assert (with_nan.mean, with_nan.n, with_nan.n_undefined) == (found.mean, 3, 2)


def test_organs_are_summarised_apart():
    rows = [row("a", "a", 1.0), row("a", "a", 0.5, organ="spleen"), row("b", "b", None, organ="spleen")]
    summary = summarise(rows, ["dice"], 100, "mm", {"liver": 3.0, "spleen": 2.0}).summary
    assert (summary["liver"]["dice"].mean, summary["liver"]["dice"].n) == (1.0, 1)
    assert (summary["spleen"]["dice"].mean, summary["spleen"]["dice"].n_undefined) == (0.5, 1)


def test_definitions_name_unit_and_tolerance():
    rows = [row("a", "a", 1.0)]
    one = summarise(rows, ["nsd", "hd95"], 100, "mm", {"liver": 3.0}).definitions
    assert "tolerance of 3 mm" in one["nsd"]
    assert " in mm" in one["hd95"]
    two = summarise(rows, ["nsd"], 100, "px", {"liver": 3.0, "kidneys": 2.5}).definitions
    assert "3 px (liver), 2.5 px (kidneys)" in two["nsd"]


def test_the_evaluation_survives_json(filled):
    scores = [scored(filled, filled), scored(np.zeros_like(filled), np.zeros_like(filled))]
    evaluation = summarise(scores, ALL, 100, "mm", {"liver": 3.0})
    assert evaluation_from_json(to_json(evaluation)) == evaluation
    assert json.loads(to_json(evaluation))["cases"][1]["values"]["dice"] is None


def test_lone_slices_are_not_measured_across(filled):
    one, other = np.zeros((2, 3, 6, 6), dtype=bool)
    one[0, 1, 1] = other[0, 1, 1] = one[1, 4, 4] = True
    lone = scored(one, other, contiguous=False).values
    assert lone["assd"] == pytest.approx(math.hypot(6.0, 3.0) / 3)
    assert scored(one, other).values["assd"] < lone["assd"]
