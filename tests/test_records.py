import json

import pytest

from seg.records import (
    Case,
    CaseScore,
    DataSet,
    Evaluation,
    Interval,
    Manifest,
    evaluation_from_json,
    manifest_from_json,
    relative,
    to_json,
)


def _evaluation(value: float | None) -> Evaluation:
    return Evaluation(
        cases=(CaseScore("c1", "p1", "liver", {"dice": value}, "both empty"),),
        summary={"liver": {"dice": Interval(value, None, 1.0, 1, 2)}},
        definitions={"dice": "Overlap, 0 to 1."},
        distance_unit="mm",
        counts={"liver": {"both empty": 1}},
    )


@pytest.mark.parametrize("value", [0.5, None])
def test_an_evaluation_survives_json(value):
    assert evaluation_from_json(to_json(_evaluation(value))) == _evaluation(value)


def test_a_manifest_survives_json():
    manifest = Manifest(
        run="r", verb="train", organs=("liver", "spleen"), state="running", created="2026-01-01T00:00:00+00:00",
        versions={"seg": "1"}, seed=3, data={"cases": ["ä"]}, lineage={}, notes=("a", "b"),
    )  # fmt: skip
    assert manifest_from_json(to_json(manifest)) == manifest


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        to_json(_evaluation(value))


def test_json_stays_readable_for_people():
    text = to_json(_evaluation(0.5))
    assert "\n" in text
    assert json.loads(text)["distance_unit"] == "mm"


def test_labelled_and_unlabelled_cases_are_told_apart():
    labelled = Case("a", "a", "volume", (("/a.nii",),), {"": ("/l.nii",)})
    unlabelled = Case("b", "b", "volume", (("/b.nii",),))
    data_set = DataSet("/", "nifti", (labelled, unlabelled))
    assert data_set.labelled == (labelled,)
    assert data_set.unlabelled == (unlabelled,)


def test_a_path_is_shown_relative_to_its_root_where_it_lies_below():
    assert relative("/data/a/b.nii", "/data") == "a/b.nii"
    assert relative("/else/b.nii", "/data") == "/else/b.nii"
