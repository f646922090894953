import math
from collections.abc import Callable

import numpy as np
import pytest

from seg.advise.evidence import Evidence, Seen
from seg.advise.measures.mmd import MEASURE

SeenOf = Callable[..., Seen]


def _published(source: Seen, target: Seen) -> float:
    """Means of kernel values over pairs, one pair at a time; five Gaussian kernels around the mean squared distance."""
    sides = [[(case.patient, vector) for case in seen.cases for vector in case.pooled.astype(float)]
             for seen in (source, target)]  # fmt: skip
    everything = [vector for side in sides for _, vector in side]
    distances = [((a - b) ** 2).sum() for i, a in enumerate(everything) for j, b in enumerate(everything) if i != j]
    mean = np.mean(distances)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        squared = ((a - b) ** 2).sum()
        return float(np.mean([math.exp(-squared / (2 * 2.0**power * mean)) for power in (-3, -2, -1, 0, 1)]))

    within = [np.mean([kernel(a, b) for p, a in side for q, b in side if p != q]) for side in sides]
    across = np.mean([kernel(a, b) for _, a in sides[0] for _, b in sides[1]])
    return float(within[0] + within[1] - 2 * across)


def test_it_is_the_unbiased_estimate_over_pairs_of_patients(seen_of: SeenOf) -> None:
    target, source = seen_of(cases=4), seen_of(cases=3, shift=0.7, seed=1)
    assert MEASURE.value(Evidence(target, source), "whole") == pytest.approx(_published(source, target), abs=1e-10)


def test_equal_distributions_give_nothing_on_average_and_distant_ones_much(seen_of: SeenOf) -> None:
    same = [MEASURE.value(Evidence(seen_of(seed=seed), seen_of(seed=seed + 50)), "whole") for seed in range(20)]
    values = np.array([value for value in same if value is not None])
    assert len(values) == 20
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(20)
    distant = MEASURE.value(Evidence(seen_of(), seen_of(seed=1, shift=20.0)), "whole")
    assert distant is not None
    assert distant > 10 * np.abs(values).max()


def test_permuting_and_scaling_features_change_nothing(
    seen_of: SeenOf, permuted: Callable[[Seen], Seen], scaled: Callable[[Seen], Seen]
) -> None:
    target, source = seen_of(shift=0.5), seen_of(seed=1)
    for place in ("whole", "boundary"):
        expected = MEASURE.value(Evidence(target, source), place)
        for changed in (permuted, scaled):
            found = MEASURE.value(Evidence(changed(target), changed(source)), place)
            assert found == pytest.approx(expected, abs=1e-5)


def test_it_is_undefined_where_a_side_has_one_patient(seen_of: SeenOf) -> None:
    assert MEASURE.value(Evidence(seen_of(), seen_of(cases=1)), "whole") is None
    assert MEASURE.value(Evidence(seen_of(cases=1), seen_of()), "whole") is None
    judge = MEASURE.judge(Evidence(seen_of(), seen_of(seed=1)), "whole")
    assert judge is not None
    assert math.isnan(judge(np.array([2, 2])))


def test_without_the_sources_scans_there_is_no_distance(seen_of: SeenOf) -> None:
    assert MEASURE.judge(Evidence(seen_of()), "whole") is None
