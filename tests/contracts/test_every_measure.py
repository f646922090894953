"""What every transferability measure must keep to."""

from dataclasses import replace

import numpy as np
import pytest

from seg.advise.evidence import PLACES, CaseFeatures, Draw, Evidence, Seen
from seg.registry import MEASURES

every_measure = pytest.mark.parametrize("name", MEASURES.names())
every_place = pytest.mark.parametrize("place", PLACES)


def _seen(shift: float, signal: float, seed: int, cases: int = 6) -> Seen:
    """Two slices per case; `signal` is how far organ and band lie from the rest, in standard deviations."""
    random = np.random.default_rng(seed)

    def case(number: int) -> CaseFeatures:
        draws = np.repeat(np.array(list(Draw), np.uint8), 24)
        inside = np.isin(draws, (Draw.ORGAN, Draw.BAND))[:, None]
        layers = tuple((random.normal(size=(len(draws), 4)) + signal * inside).astype(np.float32) for _ in range(3))
        heads = (random.normal(size=(len(draws), 1)) + signal * inside).astype(np.float32)
        pooled, bands = ((random.normal(size=(4, width)) + shift).astype(np.float32) for width in (6, 3))
        organs, slices = (draws == Draw.ORGAN).astype(np.uint8), (np.arange(len(draws)) % 4).astype(np.uint8)
        return CaseFeatures(f"c{number}", f"p{number}", pooled, bands, layers, heads, heads, draws, organs, slices)

    return Seen(tuple(case(number) for number in range(cases)))


@every_measure
def test_it_says_what_it_is(name):
    info = MEASURES.load(name).MEASURE
    assert info.name == name
    assert all((info.title, info.looks_at, info.paper))
    assert info.alike > 0


@every_measure
@every_place
def test_it_prefers_what_is_better_in_its_own_terms(name, place):
    info = MEASURES.load(name).MEASURE
    # Near scans and features that tell the labels, against far scans and features that tell nothing.
    good = Evidence(_seen(0.0, 3.0, 0), _seen(0.2, 3.0, 1), heads=True)
    bad = Evidence(_seen(0.0, 0.0, 0), _seen(2.0, 0.0, 1), heads=True)
    if name == "cc_fv":
        # It looks at likeness between cases instead.
        moved = tuple(
            replace(case, layers=tuple(layer + 4 * np.float32(number % 2) for layer in case.layers))
            for number, case in enumerate(bad.target.cases)
        )
        good, bad = bad, replace(bad, target=Seen(moved))
    values = [info.value(evidence, place) for evidence in (good, bad)]
    assert (values[0] > values[1]) == (info.better == "higher")
    assert abs(values[0] - values[1]) > info.alike


@every_measure
@every_place
def test_it_is_silent_where_what_it_needs_is_missing(name, place):
    info = MEASURES.load(name).MEASURE
    bare = Evidence(_seen(0.0, 1.0, 0))
    needs_source = {"source scans", "source heads"} & set(info.needs)
    assert (info.value(bare, place) is None) == bool(needs_source)


@every_measure
@every_place
def test_the_order_of_the_cases_changes_nothing(name, place):
    judge = MEASURES.load(name).MEASURE.judge(Evidence(_seen(0.0, 1.0, 0), _seen(0.3, 1.0, 1), True), place)
    assert judge(np.arange(6)) == pytest.approx(judge(np.arange(6)[::-1]), abs=1e-9)
