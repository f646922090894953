"""The metrics against MONAI's, over 2,000 random pairs and all empty-mask cases; NSD also against brute force."""

import math
import warnings

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
)

from seg.evaluate.metrics.masks import MaskPair
from seg.evaluate.score import metrics_by_name

NAMES = ("dice", "iou", "hd95", "assd", "nsd")
TOLERANCE_MM = 2.0


def monai_values(prediction, reference, spacing):
    """MONAI's five values; a single slice is handed over as a picture (y, x), which is how this project sees it."""
    flat = prediction.shape[0] == 1
    tensors = [torch.from_numpy(m[0] if flat else m)[None, None].float() for m in (prediction, reference)]
    space = spacing[1:] if flat else spacing
    measured = (
        compute_dice(*tensors, include_background=True, ignore_empty=False),
        compute_iou(*tensors, include_background=True, ignore_empty=False),
        compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=space),
        compute_average_surface_distance(*tensors, include_background=True, symmetric=True, spacing=space),
        compute_surface_dice(*tensors, [TOLERANCE_MM], include_background=True, spacing=space),
    )
    return dict(zip(NAMES, (float(value) for value in measured), strict=True))


def our_values(prediction, reference, spacing):
    pair = MaskPair(prediction, reference, spacing, TOLERANCE_MM)
    return {name: metric.value(pair) for name, metric in metrics_by_name(NAMES).items()}


@pytest.mark.parametrize("first", range(0, 2000, 100))
def test_two_thousand_random_pairs_agree_with_monai(first, random_pair):
    limits = {"dice": 1e-6, "iou": 1e-6, "nsd": 1e-6, "hd95": 1e-5, "assd": 1e-5}
    for seed in range(first, first + 100):
        prediction, reference, spacing = random_pair(seed)
        ours, theirs = our_values(prediction, reference, spacing), monai_values(prediction, reference, spacing)
        for name, limit in limits.items():
            assert abs(ours[name] - theirs[name]) <= limit, (seed, name, ours[name], theirs[name])


def test_the_random_pairs_are_not_all_easy(random_pair):
    pairs = [random_pair(seed) for seed in range(200)]
    dice = np.array([our_values(*pair)["dice"] for pair in pairs])
    shapes = {prediction.shape for prediction, _, _ in pairs}
    at_border = [mask[:, 0].any() or mask[:, :, 0].any() for mask, _, _ in pairs]
    assert dice.min() < 0.2
    assert dice.max() > 0.8
    assert len(shapes) > 50
    assert any(shape[0] == 1 for shape in shapes)
    assert 0.2 < np.mean(at_border) < 1.0


def test_nsd_and_distances_agree_with_brute_force(random_pair, brute_distances):
    for seed in range(150):
        prediction, reference, spacing = random_pair(seed)
        there, back = brute_distances(prediction, reference, spacing), brute_distances(reference, prediction, spacing)
        both = np.concatenate([there, back])
        ours = our_values(prediction, reference, spacing)
        assert ours["nsd"] == pytest.approx(np.mean(both <= TOLERANCE_MM), abs=1e-12)
        assert ours["assd"] == pytest.approx(both.mean(), abs=1e-9)
        assert ours["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-4)


DIAGONAL = math.sqrt((4 * 2.0) ** 2 + (6 * 1.0) ** 2 + (8 * 0.5) ** 2)
ZEROS = {"dice": 0.0, "iou": 0.0, "hd95": DIAGONAL, "assd": DIAGONAL, "nsd": 0.0}
UNDEFINED = dict.fromkeys(NAMES)
THEIRS = {
    "both empty": {"dice": 1.0, "iou": 1.0, "hd95": math.nan, "assd": math.nan, "nsd": math.nan},
    "reference empty": {"dice": 0.0, "iou": 0.0, "hd95": math.nan, "assd": math.inf, "nsd": 0.0},
    "prediction empty": {"dice": 0.0, "iou": 0.0, "hd95": math.nan, "assd": math.inf, "nsd": 0.0},
}


@pytest.mark.parametrize(
    ("case", "ours"), [("both empty", UNDEFINED), ("reference empty", ZEROS), ("prediction empty", ZEROS)]
)
def test_empty_masks_follow_our_policy_where_monai_has_no_number(case, ours, filled):
    empty = np.zeros_like(filled)
    prediction = empty if case != "reference empty" else filled
    reference = filled if case == "prediction empty" else empty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = monai_values(prediction, reference, (2.0, 1.0, 0.5))
    assert our_values(prediction, reference, (2.0, 1.0, 0.5)) == ours
    assert theirs == pytest.approx(THEIRS[case], nan_ok=True)
