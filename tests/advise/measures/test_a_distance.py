from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from seg.advise.evidence import Evidence, Seen
from seg.advise.measures.a_distance import MEASURE, a_distance

SeenOf = Callable[..., Seen]


def test_it_is_two_for_no_error_and_none_for_chance_or_worse() -> None:
    assert [a_distance(error) for error in (0.0, 0.25, 0.5, 0.7)] == [2.0, 1.0, 0.0, 0.0]


def test_domains_that_nothing_has_in_common_are_two_apart(seen_of: SeenOf) -> None:
    evidence = Evidence(seen_of(shift=0.0), seen_of(shift=20.0, seed=1))
    assert MEASURE.value(evidence, "whole") == 2.0
    assert MEASURE.value(evidence, "boundary") == 2.0


def test_domains_of_one_distribution_are_nearly_no_distance_apart(seen_of: SeenOf) -> None:
    values = [
        MEASURE.value(Evidence(seen_of(cases=20, seed=seed), seen_of(cases=20, seed=seed + 50)), "whole")
        for seed in range(5)
    ]
    assert all(value is not None for value in values)
    assert np.mean([value or 0.0 for value in values]) < 0.25


def _least_squares_error(source: list[NDArray], target: list[NDArray]) -> float:
    """Leave one patient out, ridge regression to -1 and 1: another linear classifier, on the same features."""
    parts = [(part, -1.0) for part in source] + [(part, 1.0) for part in target]
    wrong: dict[float, list[bool]] = {-1.0: [], 1.0: []}
    for left_out, (held, sign) in enumerate(parts):
        rest = [pair for number, pair in enumerate(parts) if number != left_out]
        features = np.concatenate([part for part, _ in rest])
        wanted = np.concatenate([np.full(len(part), value) for part, value in rest])
        design = np.hstack([features, np.ones((len(features), 1))])
        weights = np.linalg.solve(design.T @ design + 0.1 * np.eye(design.shape[1]), design.T @ wanted)
        answers = np.hstack([held, np.ones((len(held), 1))]) @ weights
        wrong[sign].extend((answers > 0) != (sign > 0))
    return float((np.mean(wrong[-1.0]) + np.mean(wrong[1.0])) / 2)


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_it_is_near_what_another_linear_classifier_finds(seen_of: SeenOf, shift: float) -> None:
    target, source = seen_of(cases=40), seen_of(cases=40, shift=shift, seed=1)
    error = _least_squares_error([case.pooled for case in source.cases], [case.pooled for case in target.cases])
    value = MEASURE.value(Evidence(target, source), "whole")
    assert value == pytest.approx(2 * (1 - 2 * error), abs=0.2)


def test_permuting_features_changes_nothing(seen_of: SeenOf, permuted: Callable[[Seen], Seen]) -> None:
    target, source = seen_of(shift=0.5), seen_of(seed=1)
    expected = MEASURE.value(Evidence(target, source), "whole")
    assert MEASURE.value(Evidence(permuted(target), permuted(source)), "whole") == expected


def test_resampled_cases_are_judged_by_the_same_classifier(seen_of: SeenOf) -> None:
    target, source = seen_of(cases=6, shift=0.8), seen_of(cases=6, seed=1)
    judge = MEASURE.judge(Evidence(target, source), "whole")
    assert judge is not None
    # With one classifier, errors of cases add up.
    errors = [(2 - judge(np.array([case]))) / 4 for case in range(6)]
    assert judge(np.array([0, 0, 3])) == pytest.approx(2 * (1 - 2 * np.mean([errors[0], errors[0], errors[3]])))


def test_without_the_sources_scans_there_is_no_distance(seen_of: SeenOf) -> None:
    assert MEASURE.judge(Evidence(seen_of()), "whole") is None
