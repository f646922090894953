import numpy as np
import pytest
from scipy import ndimage

from seg.evaluate import largest
from seg.evaluate.largest import decide_keep_largest, keep_largest


def islands():
    mask = np.zeros((3, 8, 12), dtype=bool)
    mask[0, 1:4, 1:4] = True
    mask[0, 6:8, 6:8] = True
    mask[2, 1:3, 8:11] = True
    return mask


@pytest.fixture(params=["cc3d", "scipy"])
def library(request, monkeypatch):
    if request.param == "cc3d":
        pytest.importorskip("cc3d")
    else:
        monkeypatch.setattr(largest.importlib.util, "find_spec", lambda name: None)
    return request.param


@pytest.mark.parametrize(("components", "voxels"), [(1, 9), (2, 15), (3, 19), (7, 19)])
def test_the_largest_parts_stay(library, components, voxels):
    mask = islands()
    kept = keep_largest(mask, components)
    assert kept.sum() == voxels
    assert not (kept & ~mask).any()
    assert kept.dtype == np.bool_
    assert mask.sum() == 19


def test_parts_that_touch_at_a_corner_are_one(library):
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True
    assert keep_largest(mask).sum() == 3


@pytest.mark.parametrize(("components", "places"), [(1, [2]), (2, [2, 6]), (3, [2, 6, 10])])
def test_of_equal_parts_the_first_in_memory_stays(library, components, places):
    mask = np.zeros((1, 3, 12), dtype=bool)
    mask[0, 1, [2, 6, 10]] = True
    assert np.flatnonzero(keep_largest(mask, components)[0, 1]).tolist() == places


def test_an_empty_mask_stays_empty(library):
    assert not keep_largest(np.zeros((2, 3, 4), dtype=bool)).any()
    assert keep_largest(np.zeros((0, 3, 4), dtype=bool), contiguous=False).shape == (0, 3, 4)


def test_lone_slices_are_treated_one_by_one(library):
    kept = keep_largest(islands(), contiguous=False)
    assert kept.sum(axis=(1, 2)).tolist() == [9, 0, 6]


def test_both_libraries_keep_the_same_voxels(random_pair, monkeypatch):
    pytest.importorskip("cc3d")
    for seed in range(30):
        speckled = random_pair(seed)[0] & (np.random.default_rng(seed).random(random_pair(seed)[0].shape) > 0.6)
        by_cc3d = [keep_largest(speckled, count) for count in (1, 2, 3)]
        with monkeypatch.context() as patch:
            patch.setattr(largest.importlib.util, "find_spec", lambda name: None)
            by_scipy = [keep_largest(speckled, count) for count in (1, 2, 3)]
        assert np.array_equal(by_cc3d, by_scipy)
        parts = ndimage.label(speckled, np.ones((3, 3, 3)))[1]
        assert by_scipy[0].sum() == speckled.sum() or parts > 1


def test_it_is_kept_where_the_mean_rises_and_most_patients_gain():
    decision = decide_keep_largest({"a": 0.8, "b": 0.9, "c": 0.7}, {"a": 0.85, "b": 0.9, "c": 0.72})
    assert decision.keep
    assert (decision.n, decision.better, decision.worse) == (3, 2, 0)
    assert decision.sentence.startswith("Only the largest connected parts are kept: on 3 validation patients")
    assert "0.8000 to 0.8233 (2 better, 0 worse)" in decision.sentence


@pytest.mark.parametrize(
    ("without", "with_it"),
    [
        ({"a": 0.8, "b": 0.9}, {"a": 0.8, "b": 0.9}),
        ({"a": 0.8, "b": 0.9}, {"a": 0.9, "b": 0.7}),
        ({"a": 0.1, "b": 0.9, "c": 0.9}, {"a": 0.9, "b": 0.85, "c": 0.85}),
        ({}, {}),
        ({"a": None}, {"a": None}),
    ],
    ids=["no change", "worse", "one outlier carries it", "nobody", "undefined"],
)
def test_it_is_not_kept_without_evidence(without, with_it):
    assert not decide_keep_largest(without, with_it).keep


def test_without_patients_the_sentence_says_so():
    assert "no validation patient" in decide_keep_largest({"a": None}, {"a": 0.5}).sentence
