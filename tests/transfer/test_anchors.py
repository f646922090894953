import pytest
import torch
from torch.nn import Parameter

from seg.transfer._anchors import anchored, relative_distance


def _parts() -> dict[str, list[Parameter]]:
    return {
        "small": [Parameter(torch.tensor([3.0, 4.0])), Parameter(torch.zeros(2))],
        "large": [Parameter(torch.full((10, 10), 2.0))],
    }


def test_each_part_counts_by_how_far_it_moved_relative_to_its_own_length() -> None:
    parts = _parts()
    anchors = anchored(parts)
    assert relative_distance(anchors) == 0
    with torch.no_grad():
        parts["small"][0].add_(torch.tensor([0.0, 1.0]))
        parts["small"][1].add_(2.0)
        parts["large"][0].mul_(1.1)
    found = relative_distance(anchors)
    assert found is not None
    assert float(found.detach()) == pytest.approx((1 + 4 + 4) / 25 + 0.01, rel=1e-5)


def test_the_distance_does_not_depend_on_the_scale_of_the_weights() -> None:
    found = []
    for scale in (1.0, 1000.0):
        parts = {"part": [Parameter(torch.tensor([1.0, 2.0, 3.0]) * scale)]}
        anchors = anchored(parts)
        with torch.no_grad():
            parts["part"][0].mul_(1.5)
        distance = relative_distance(anchors)
        assert distance is not None
        found.append(float(distance.detach()))
    assert found == pytest.approx([0.25, 0.25])


def test_the_gradient_points_away_from_the_start_and_is_that_of_the_formula() -> None:
    parts = _parts()
    anchors = anchored(parts)
    moved = torch.tensor([0.5, -1.0])
    with torch.no_grad():
        parts["small"][0].add_(moved)
    distance = relative_distance(anchors)
    assert distance is not None
    distance.backward()  # type: ignore[no-untyped-call]
    assert parts["small"][0].grad is not None
    assert torch.allclose(parts["small"][0].grad, 2 * moved / 25)


def test_what_is_frozen_and_what_is_empty_has_no_part_in_it() -> None:
    parts = {**_parts(), "nothing": [], "zeros": [Parameter(torch.zeros(3))]}
    anchors = anchored(parts)
    assert len(anchors) == 2
    for parameter in parts["small"]:
        parameter.requires_grad_(False)
    distance = relative_distance(anchors)
    assert distance is not None
    distance.backward()  # type: ignore[no-untyped-call]
    assert parts["small"][0].grad is None
    parts["large"][0].requires_grad_(False)
    assert relative_distance(anchors) is None
    assert relative_distance([]) is None
