import math

import numpy as np
import pytest

from seg.advise.measures.leep import leep


def test_a_case_worked_by_hand() -> None:
    # Opinions (none, organ) of four pixels and what they are.
    opinions = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]])
    labels = np.array([0, 0, 1, 1])
    # Sums: none 2.2, of which 1.6 where the label is 0; organ 1.8, of which 0.4 where it is 0.
    none_given = {0: 1.6 / 2.2, 1: 0.6 / 2.2}
    organ_given = {0: 0.4 / 1.8, 1: 1.4 / 1.8}
    expected = [
        0.9 * none_given[0] + 0.1 * organ_given[0],
        0.7 * none_given[0] + 0.3 * organ_given[0],
        0.4 * none_given[1] + 0.6 * organ_given[1],
        0.2 * none_given[1] + 0.8 * organ_given[1],
    ]
    assert leep(opinions, labels) == pytest.approx(sum(map(math.log, expected)) / 4, abs=1e-12)
    assert leep(opinions, labels) == pytest.approx(-0.4712, abs=1e-4)


def test_it_agrees_with_the_three_steps_of_the_paper_written_out() -> None:
    random = np.random.default_rng(0)
    opinions, labels = random.dirichlet(np.ones(4), 200), random.integers(0, 3, 200)
    joint = np.array([[opinions[labels == y, z].sum() / 200 for z in range(4)] for y in range(3)])
    conditional = joint / joint.sum(axis=0)
    total = sum(
        math.log(sum(conditional[y, z] * theta[z] for z in range(4))) for theta, y in zip(opinions, labels, strict=True)
    )
    assert leep(opinions, labels) == pytest.approx(total / 200, abs=1e-10)


def test_opinions_that_say_nothing_give_the_entropy_of_the_labels() -> None:
    labels = np.array([0, 0, 0, 1])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert leep(np.full((4, 3), 1 / 3), labels) == pytest.approx(-entropy)


def test_the_right_answer_and_the_wrong_one_promise_the_same_since_both_can_be_translated() -> None:
    labels = np.array([0, 1, 1, 0])
    right = np.eye(2)[labels]
    assert leep(right, labels) == leep(right[:, ::-1], labels) == 0


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_above_zero_and_does_not_depend_on_the_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    opinions, labels = random.dirichlet(np.ones(3), 30), np.arange(30) % 2
    order, columns = random.permutation(30), random.permutation(3)
    value = leep(opinions, labels)
    assert value <= 0
    assert leep(opinions[order][:, columns], labels[order]) == pytest.approx(value, abs=1e-12)


def test_a_source_class_that_nobody_names_changes_nothing() -> None:
    opinions, labels = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    assert leep(np.hstack([opinions, np.zeros((2, 1))]), labels) == pytest.approx(leep(opinions, labels))


def test_one_label_alone_is_undefined() -> None:
    assert math.isnan(leep(np.full((3, 2), 0.5), np.zeros(3, dtype=np.int64)))
