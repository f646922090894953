from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from seg.advise.distance_map import (
    DistanceMap,
    classical_scaling,
    could_be_on_the_way,
    make_map,
    on_the_way,
    pairwise_distances,
)
from seg.advise.evidence import Evidence, Seen
from seg.registry import MEASURES

SeenOf = Callable[..., Seen]


def test_two_data_sets_lie_as_far_apart_as_the_measure_says(seen_of: SeenOf) -> None:
    here, there = seen_of(seed=1), seen_of(seed=2, shift=2.0)
    found = pairwise_distances([here, there])
    squared = MEASURES.load("mmd").MEASURE.value(Evidence(here, there), "whole")
    assert_allclose(found, [[0, np.sqrt(squared)], [np.sqrt(squared), 0]], atol=1e-9)


def test_distances_grow_with_the_shift_and_vanish_without_one(seen_of: SeenOf) -> None:
    found = pairwise_distances([seen_of(12, seed=1), seen_of(12, seed=2), seen_of(seed=3, shift=1.0), seen_of(shift=3)])
    assert found[0, 1] < 0.15 < found[0, 2] < found[0, 3]
    assert_allclose(found, found.T)


def test_a_data_set_of_one_patient_has_no_distance_and_makes_no_map(seen_of: SeenOf) -> None:
    sets = [seen_of(1), seen_of(seed=1)]
    assert np.isnan(pairwise_distances(sets)[0, 1])
    assert make_map("imagenet", ["liver", "pancreas"], [["liver"], ["pancreas"]], [["run"], []], sets) is None
    assert make_map("imagenet", ["pancreas"], [["pancreas"]], [[]], [seen_of()]) is None


def test_points_in_a_plane_are_found_again() -> None:
    points = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [1.0, 1.0]])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    places, held = classical_scaling(distances)
    assert_allclose(np.linalg.norm(places[:, None] - places[None], axis=2), distances, atol=1e-9)
    assert_allclose(places.mean(axis=0), 0, atol=1e-9)
    assert held == pytest.approx(1.0)
    assert all(places[np.abs(places[:, axis]).argmax(), axis] > 0 for axis in (0, 1))


def test_what_two_dimensions_cannot_hold_is_said() -> None:
    corners = np.ones((4, 4)) - np.eye(4)
    assert classical_scaling(corners)[1] == pytest.approx(2 / 3)
    places, held = classical_scaling(np.zeros((2, 2)))
    assert (places.tolist(), held) == ([[0.0, 0.0], [0.0, 0.0]], 1.0)


def test_two_data_sets_have_a_map_too(seen_of: SeenOf) -> None:
    sets = [seen_of(seed=1), seen_of(seed=2, shift=2.0)]
    found = make_map("imagenet", ["liver", "pancreas"], [["liver"], ["pancreas"]], [["run"], []], sets)
    assert found is not None
    assert found.places[0][1] == found.places[1][1] == 0
    assert abs(found.places[0][0] - found.places[1][0]) == pytest.approx(found.between("liver", "pancreas"))


def _map(distances: dict[tuple[str, str], float], organs: dict[str, tuple[str, ...]]) -> DistanceMap:
    names = tuple(organs)
    table = tuple(tuple(distances.get((a, b), distances.get((b, a), 0.0)) for b in names) for a in names)
    sources = (*((f"{name}-run",) for name in names[:-1]), ())
    return DistanceMap("imagenet", names, tuple(organs.values()), sources, table, ((0.0, 0.0),) * len(names), 1.0)


ORGANS = {"liver": ("liver",), "spleen": ("spleen",), "stomach": ("stomach",), "pancreas": ("pancreas",)}
APART = {
    ("liver", "pancreas"): 1.0, ("liver", "spleen"): 0.6, ("spleen", "pancreas"): 0.7, ("liver", "stomach"): 0.8,
    ("stomach", "pancreas"): 0.3, ("spleen", "stomach"): 0.5,
}  # fmt: skip


def test_the_organ_on_the_way_is_nearer_to_both_and_the_shortest_longer_hop_wins() -> None:
    assert on_the_way(_map(APART, ORGANS), "liver") == "spleen"
    assert on_the_way(_map({**APART, ("stomach", "pancreas"): 0.3, ("liver", "stomach"): 0.65}, ORGANS), "liver") == (
        "stomach"
    )


def test_an_organ_that_is_nearer_to_one_of_them_alone_is_not_on_the_way() -> None:
    far = {**APART, ("spleen", "pancreas"): 1.1, ("liver", "stomach"): 1.0}
    assert on_the_way(_map(far, ORGANS), "liver") is None


def test_a_data_set_of_several_organs_or_of_start_and_target_cannot_be_on_the_way() -> None:
    organs = {**ORGANS, "spleen": ("spleen", "stomach"), "stomach": ("liver",)}
    organs = {name: organs[name] for name in ("liver", "spleen", "stomach", "pancreas")}
    assert could_be_on_the_way(_map(APART, organs), "liver") == ()


def test_a_source_is_found_on_the_map() -> None:
    found = _map(APART, ORGANS)
    assert (found.of_source("spleen-run"), found.of_source("imagenet")) == ("spleen", None)
