"""What holds for every file of seg/evaluate/metrics."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seg.config import Evaluate
from seg.evaluate.metrics.masks import MaskPair, Metric
from seg.registry import METRICS

MASKS = arrays(np.bool_, (3, 4, 5))
SPACING = (3.0, 1.0, 0.5)
every_metric = pytest.mark.parametrize("name", METRICS.names())
few = settings(max_examples=25, deadline=None)


def metric_of(name) -> Metric:
    return METRICS.load(name).METRIC


def value(name, prediction, reference, spacing=SPACING, **more):
    return metric_of(name).value(MaskPair(prediction, reference, spacing, **more))


def block():
    mask = np.zeros((3, 4, 5), dtype=bool)
    mask[1:, 1:3, 1:4] = True
    return mask


def test_the_settings_know_every_metric_and_no_other():
    assert sorted(Evaluate().metrics) == sorted(METRICS.names())


@every_metric
def test_the_record_says_what_a_report_needs(name):
    metric = metric_of(name)
    assert isinstance(metric, Metric)
    assert metric.title
    for unit in ("mm", "px"):
        text = metric.define(unit, "2 " + unit)
        assert "{" not in text
        assert text.endswith(".")
        assert "Both masks empty" in text
        assert "missing" in text or "no prediction" in text
        assert metric.unit(unit) in text


@every_metric
def test_a_perfect_prediction_has_the_best_value(name):
    assert value(name, block(), block()) == metric_of(name).best


@every_metric
def test_two_empty_masks_are_undefined(name):
    assert value(name, np.zeros((3, 4, 5), bool), np.zeros((3, 4, 5), bool)) is None


@every_metric
@pytest.mark.parametrize("which", ["prediction", "reference"])
def test_one_empty_mask_is_worse_than_any_other_answer(name, which):
    masks = {"prediction": block(), "reference": block(), which: np.zeros((3, 4, 5), bool)}
    empty = value(name, **masks)
    corner = np.zeros((3, 4, 5), bool)
    corner[0, 0, 0] = True
    poor = value(name, corner, block())
    assert empty is not None
    if metric_of(name).better == "higher":
        assert empty == 0.0 <= poor
    else:
        assert abs(empty) >= abs(poor)


@every_metric
@pytest.mark.parametrize("reference", [block(), np.zeros((3, 4, 5), bool)], ids=["filled", "empty"])
def test_a_missing_prediction_always_has_a_value(name, reference):
    assert value(name, np.zeros((3, 4, 5), bool), reference, missing=True) is not None


@every_metric
@few
@given(prediction=MASKS, reference=MASKS)
def test_the_declared_symmetry_holds(name, prediction, reference):
    if metric_of(name).symmetric:
        assert value(name, prediction, reference) == pytest.approx(value(name, reference, prediction), abs=1e-12)


@every_metric
@few
@given(prediction=MASKS, reference=MASKS, axes=st.sets(st.sampled_from([0, 1, 2]), min_size=1))
def test_mirroring_both_masks_changes_nothing(name, prediction, reference, axes):
    mirrored = [np.flip(mask, tuple(axes)) for mask in (prediction, reference)]
    assert value(name, *mirrored) == pytest.approx(value(name, prediction, reference), abs=1e-9)


@every_metric
@few
@given(prediction=MASKS, reference=MASKS, order=st.sampled_from(list(itertools.permutations(range(3)))))
def test_turning_axes_and_spacing_together_changes_nothing(name, prediction, reference, order):
    turned = [mask.transpose(order) for mask in (prediction, reference)]
    spacing = tuple(SPACING[axis] for axis in order)
    assert value(name, *turned, spacing=spacing) == pytest.approx(value(name, prediction, reference), abs=1e-9)


@every_metric
@few
@given(prediction=MASKS, reference=MASKS, factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_a_scaled_spacing_scales_distances_and_volumes_only(name, prediction, reference, factor):
    scaled = tuple(step * factor for step in SPACING)
    before = value(name, prediction, reference, tolerance_mm=1.0)
    after = value(name, prediction, reference, spacing=scaled, tolerance_mm=factor)
    power = {"share": 0, "distance": 1, "volume": 3}[metric_of(name).kind]
    assert after == (None if before is None else pytest.approx(before * factor**power, abs=1e-9))


@every_metric
@few
@given(prediction=MASKS, reference=MASKS)
def test_values_stay_in_their_range(name, prediction, reference):
    found = value(name, prediction, reference)
    kind = metric_of(name).kind
    if found is not None and kind != "volume":
        assert 0.0 <= found <= (1.0 if kind == "share" else MaskPair(prediction, reference, SPACING).diagonal)


@every_metric
def test_an_unknown_spacing_is_counted_in_pixels(name):
    shifted = np.roll(block(), 1, axis=2)
    assert value(name, shifted, block(), spacing=None) == pytest.approx(
        value(name, shifted, block(), spacing=(1.0, 1.0, 1.0)) * (1000 if metric_of(name).kind == "volume" else 1)
    )
