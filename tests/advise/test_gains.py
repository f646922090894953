import itertools

import pytest
from scipy.stats import spearmanr

from seg.advise.gains import agreement


def test_the_correlation_is_spearmans_with_mean_ranks_for_ties() -> None:
    said, gained = [1.0, 0.5, 0.5, 0.0, 0.2], [0.03, 0.05, 0.01, -0.02, 0.0]
    found = agreement("p", said, gained)
    assert found is not None
    assert found.correlation == pytest.approx(spearmanr(said, gained).statistic)


def test_few_sources_are_judged_by_all_their_orders() -> None:
    found = agreement("p", [4, 3, 2, 1], [0.4, 0.3, 0.1, 0.2])
    assert found is not None
    assert found.exact
    reached = [spearmanr([4, 3, 2, 1], order).statistic for order in itertools.permutations([0.4, 0.3, 0.1, 0.2])]
    assert found.p == pytest.approx(sum(value >= found.correlation - 1e-9 for value in reached) / 24)
    assert found.p == pytest.approx(4 / 24)


def test_a_perfect_order_of_three_is_one_order_of_six() -> None:
    found = agreement("p", [3, 2, 1], [0.3, 0.2, 0.1])
    assert found is not None
    assert (found.correlation, found.p) == (pytest.approx(1.0), pytest.approx(1 / 6))


def test_many_sources_are_judged_by_students_t() -> None:
    said = list(range(12))
    gained = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10]
    found = agreement("p", said, gained)
    assert found is not None
    assert not found.exact
    assert found.p == pytest.approx(spearmanr(said, gained, alternative="greater").pvalue)
    best = agreement("p", said, said)
    assert best is not None
    assert best.p == 0.0


@pytest.mark.parametrize(("said", "gained"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0])])
def test_nothing_is_said_where_there_is_nothing_to_order(said: list[float], gained: list[float]) -> None:
    assert agreement("p", said, gained) is None


def test_the_sentence_names_proof_number_and_how() -> None:
    found = agreement("first, 5 labelled patients", [3, 2, 1], [0.3, 0.2, 0.1])
    assert found is not None
    assert "3 sources of first, 5 labelled patients" in found.sentence()
    assert "1.00 (Spearman; p = 0.167, one-sided, all orders)" in found.sentence()
