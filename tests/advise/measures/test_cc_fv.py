import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from seg.advise.evidence import Draw, Evidence, Seen
from seg.advise.measures.cc_fv import MEASURE, cc_fv, on_sphere, variety, wasserstein

SeenOf = Callable[..., Seen]


def _wasserstein(first: NDArray, second: NDArray) -> float:
    """Eq. 1 with the matrix root of the product as it stands there."""
    means = first.mean(axis=0) - second.mean(axis=0)
    covariances = np.cov(first.T), np.cov(second.T)
    root = np.real(np.trace(sqrtm(covariances[0] @ covariances[1])))
    return math.sqrt(means @ means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root)


def _energy(vectors: NDArray) -> float:
    """Eq. 3 with s = 1, one pair after the other."""
    return sum(1 / math.dist(one, other) for i, one in enumerate(vectors) for j, other in enumerate(vectors) if i != j)


def _unit(vectors: NDArray) -> NDArray:
    return np.stack([vector / math.sqrt(vector @ vector) for vector in vectors.astype(float)])


def _published(seen: Seen) -> float:
    """Eq. 2, 4 and 5 for one organ, over the case pairs and layers, with half the pixels per step from the heads."""
    logs = []
    for layer in range(3):
        step = 2 ** (2 - layer)
        organ = [_unit(case.layers[layer][case.draws == Draw.ORGAN][::step]) for case in seen.cases]
        anything = [_unit(case.layers[layer][case.draws == Draw.ANY][::step]) for case in seen.cases]
        count = len(organ)
        total = sum(_wasserstein(organ[i], organ[j]) for i in range(count) for j in range(count) if i != j)
        consistency = total / (count * (count - 1))
        diverse = sum(1 / _energy(vectors) for vectors in anything) / count
        logs.append(math.log(diverse / consistency))
    return sum(logs) / 3


def test_it_is_the_published_definition(seen_of: SeenOf) -> None:
    seen = seen_of(cases=4, pixels=40)
    assert MEASURE.value(Evidence(seen), "whole") == pytest.approx(_published(seen), abs=1e-5)


def test_distances_of_gaussians_are_the_published_ones() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(50, 4)), random.normal(size=(30, 4)) @ random.normal(size=(4, 4)) + 1
    assert wasserstein(first, second) == pytest.approx(_wasserstein(first, second), abs=1e-8)
    assert wasserstein(first, second) == pytest.approx(wasserstein(second, first), abs=1e-10)


def test_one_gaussian_moved_is_as_far_as_it_was_moved() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    assert wasserstein(vectors, vectors + np.array([3.0, 4.0, 0.0])) == pytest.approx(5, abs=1e-6)
    assert wasserstein(vectors, vectors) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_triangle_inequality_holds(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b, c = (random.normal(size=(12, 3)) @ random.normal(size=(3, 3)) for _ in range(3))
    assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-6


def test_variety_is_the_inverse_energy_and_largest_where_vectors_spread() -> None:
    random = np.random.default_rng(0)
    spread = on_sphere(random.normal(size=(30, 3)))
    assert variety(spread) == pytest.approx(1 / _energy(spread), rel=1e-10)
    assert variety(spread) > variety(on_sphere(spread + 3))


def test_equal_vectors_have_finite_energy() -> None:
    assert variety(np.ones((4, 3)) / math.sqrt(3)) == pytest.approx(math.sqrt(1e-3) / 12)


def test_layers_count_alike() -> None:
    assert cc_fv([1.0, 2.0], [math.e, 2.0]) == pytest.approx(0.5)


def test_permuting_and_scaling_features_change_nothing(
    seen_of: SeenOf, permuted: Callable[[Seen], Seen], scaled: Callable[[Seen], Seen]
) -> None:
    seen = seen_of(cases=3)
    for place in ("whole", "boundary"):
        expected = MEASURE.value(Evidence(seen), place)
        assert expected is not None
        for changed in (permuted, scaled):
            assert MEASURE.value(Evidence(changed(seen)), place) == pytest.approx(expected, abs=1e-5)


def test_features_that_are_alike_in_all_cases_score_higher(seen_of: SeenOf) -> None:
    alike, unlike = (MEASURE.value(Evidence(seen_of(between_cases=spread)), "whole") for spread in (0.0, 2.0))
    assert alike is not None
    assert unlike is not None
    assert alike > unlike


def test_a_case_drawn_twice_is_no_pair_and_one_case_alone_is_undefined(seen_of: SeenOf) -> None:
    judge = MEASURE.judge(Evidence(seen_of(cases=4)), "whole")
    assert judge is not None
    assert math.isnan(judge(np.array([1, 1, 1])))
    # The pairs of 0 and 1 alone; varieties are means of cases.
    once, twice = judge(np.array([0, 1])), judge(np.array([0, 1, 0, 1]))
    assert once == pytest.approx(twice, abs=1e-12)
    assert MEASURE.value(Evidence(seen_of(cases=1)), "whole") is None
