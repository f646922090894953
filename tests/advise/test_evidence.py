from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

from seg.advise.evidence import Draw, Seen, Vectors

SeenOf = Callable[..., Seen]


def test_rows_of_a_case_come_as_often_as_it_is_named() -> None:
    vectors = Vectors(np.zeros((5, 1)), np.array([0, 0, 1, 2, 2]))
    assert_array_equal(vectors.rows(np.array([2, 0, 2])), [3, 4, 0, 1, 3, 4])


def test_slices_are_the_deepest_map_or_the_early_one_in_the_band(seen_of: SeenOf) -> None:
    seen = seen_of(cases=2, slices=3)
    assert_array_equal(seen.slices("whole").values, np.concatenate([case.pooled for case in seen.cases]))
    assert_array_equal(seen.slices("boundary").values, np.concatenate([case.bands for case in seen.cases]))
    assert_array_equal(seen.slices("whole").cases, [0, 0, 0, 1, 1, 1])


def test_pixels_have_what_the_heads_read_and_the_reference_of_their_place(seen_of: SeenOf) -> None:
    seen = seen_of(cases=2, pixels=4)
    whole, boundary = seen.pixels("whole"), seen.pixels("boundary")
    case = seen.cases[1]
    chosen = np.isin(case.draws, (Draw.ORGAN, Draw.OTHER))
    assert_array_equal(whole.values[whole.cases == 1], case.layers[-1][chosen])
    assert_array_equal(whole.labels[whole.cases == 1], case.draws[chosen] == Draw.ORGAN)
    assert_array_equal(boundary.labels[boundary.cases == 0], [1, 1, 1, 1, 0, 0, 0, 0])


def test_opinions_of_one_head_are_its_sigmoid_and_of_several_the_softmax_beside_none(seen_of: SeenOf) -> None:
    seen = seen_of(cases=1)
    (case,) = seen.cases
    chosen = np.isin(case.draws, (Draw.ORGAN, Draw.OTHER))
    opinions = seen.pixels("whole").opinions
    assert opinions is not None
    assert_allclose(opinions[:, 1], expit(case.masks[chosen, 0]), atol=1e-6)
    two = np.hstack([case.masks, 1 - case.masks])
    opinions = Seen((replace(case, masks=two),)).pixels("whole").opinions
    assert_allclose(opinions, softmax(np.hstack([np.zeros((chosen.sum(), 1)), two[chosen]]), axis=1), atol=1e-6)


def test_organs_keep_their_numbers(seen_of: SeenOf) -> None:
    (case,) = seen_of(cases=1, pixels=4).cases
    organs = case.organs.copy()
    organs[np.flatnonzero(case.draws == Draw.ORGAN)[:2]] = 2
    seen = Seen((replace(case, organs=organs),))
    assert seen.organs == (1, 2)
    assert_array_equal(np.bincount(seen.pixels("whole").labels), [4, 2, 2])
    assert [len(part) for part in seen.drawn(0, Draw.ORGAN, 2)] == [2]
    assert [len(part) for part in seen.drawn(0, Draw.ANY)] == [4]


@pytest.mark.parametrize("missing", ["edges"])
def test_without_an_edge_head_there_are_no_opinions_on_the_boundary(seen_of: SeenOf, missing: str) -> None:
    seen = Seen(tuple(replace(case, **{missing: None}) for case in seen_of(cases=2).cases))
    assert seen.pixels("boundary").opinions is None
    assert seen.pixels("whole").opinions is not None
