import json
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg.proof.bootstrap import interval
from seg.proof.crossed import crossed
from seg.proof.curves import Measured
from seg.proof.differences import differences, evidence, holm
from seg.proof.sign_flip import sign_flip_p


def _measured(name, shift, seed=0, shape=(3, 8)):
    rng = np.random.default_rng(seed)
    return Measured(name, rng.normal(0.6 + shift, 0.02, shape), rng.normal(0.6, 0.02, shape), over_steps=70.0)


def test_a_record_holds_what_the_parts_find():
    measures = (_measured("start", 0.05), _measured("asymptote", 0.0, 1))
    for found, measured in zip(differences(measures), measures, strict=True):
        values = measured.differences
        spread = crossed(values)
        assert (found.measure, found.cases, found.seeds, found.over_steps) == (measured.name, 8, 3, 70.0)
        assert found.estimate == pytest.approx(values.mean())
        assert found.arm - found.baseline == pytest.approx(found.estimate)
        assert (found.low, found.high) == pytest.approx(interval(values))
        assert found.p_cases == pytest.approx(sign_flip_p(values.mean(0)))
        assert found.p == pytest.approx(max(found.p_cases, spread.p()))
        assert found.case_sd**2 == pytest.approx(spread.case_variance)
        assert found.seed_sd**2 == pytest.approx(spread.seed_variance)
        assert found.rest_sd**2 == pytest.approx(spread.rest_variance)


def test_seeds_that_disagree_raise_p_above_that_of_the_sign_flips():
    of_seeds = np.array([0.08, 0.01, 0.002])
    found = evidence(of_seeds[:, None] + np.random.default_rng(0).normal(0, 0.002, (3, 12)))
    assert found.p_cases < 0.001
    assert found.p > 0.2


def test_an_undefined_measure_is_none_throughout_and_survives_json():
    nothing = np.full((3, 8), np.nan)
    defined, undefined = differences((_measured("start", 0.1), Measured("slope", nothing, nothing)))
    assert defined.p < 0.05
    assert undefined.estimate is undefined.low is undefined.p is undefined.p_cases is undefined.arm is None
    assert json.loads(json.dumps(asdict(undefined), allow_nan=False))["cases"] == 8


def test_a_single_case_has_an_estimate_and_nothing_else():
    found = differences((Measured("final", np.array([[0.7]]), np.array([[0.5]])),))[0]
    assert found.estimate == pytest.approx(0.2)
    assert (found.low, found.high, found.p, found.case_sd, found.cases, found.seeds) == (None, None, None, None, 1, 1)


def _closed_testing(p):
    """Holm is the closed test with Bonferroni in every intersection: adjusted p is the largest of all that hold it."""
    places = range(len(p))
    every = [group for size in range(1, len(p) + 1) for group in combinations(places, size)]
    return [
        max(min(1.0, len(group) * min(p[place] for place in group)) for group in every if own in group)
        for own in places
    ]  # fmt: skip


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_bonferroni_test(p):
    assert holm(p) == pytest.approx(_closed_testing(p))


def test_an_undefined_p_stays_undefined_and_still_counts():
    assert holm([0.01, None, 0.02]) == pytest.approx((0.03, None, 0.04))
