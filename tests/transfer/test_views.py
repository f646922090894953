import pytest
import torch

from seg.transfer._views import Strength, StrongView

GEOMETRY = Strength(intensity=0.0, geometry=1.0, holes=0.0)


@pytest.fixture
def pattern():
    """A smooth picture without symmetry, (4, 1, 64, 64)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    return (0.6 * x + 0.3 * y * y).expand(4, 1, 64, 64).contiguous()


def test_a_map_follows_the_view_of_its_slice_exactly(pattern):
    view = StrongView(4, GEOMETRY, seed=3, flips=(2, 3))
    assert torch.equal(view.images(pattern), view.warped(pattern))
    assert not torch.equal(view.warped(pattern), pattern)


def test_a_view_shows_the_value_at_the_place_its_map_says(pattern):
    view = StrongView(4, GEOMETRY, seed=5, flips=(3,))
    seen = view.seen(pattern)[:, 0]
    centres = (torch.arange(64) * 2 + 1) / 64 - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    place = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    for number, theta in enumerate(view.theta):
        there = (place @ theta.T + 1) * 64 / 2 - 0.5
        across, down = there[..., 0] / 63, there[..., 1] / 63
        expected = 0.6 * across + 0.3 * down * down
        found = view.warped(pattern)[number, 0]
        assert (found - expected)[seen[number]].abs().max() < 2e-4


def test_mirrored_axes_are_those_that_may_be_mirrored(pattern):
    upright = [StrongView(64, GEOMETRY, seed=seed).theta[:, :, :2] for seed in range(2)]
    assert all(bool((torch.linalg.det(theta) > 0).all()) for theta in upright)
    mirrored = StrongView(64, Strength(0, 1e-6, 0), seed=0, flips=(2,)).theta
    assert set(mirrored[:, 0, 0].round().tolist()) == {1.0}
    assert set(mirrored[:, 1, 1].round().tolist()) == {1.0, -1.0}


def test_without_any_strength_a_view_is_the_slice(pattern):
    assert torch.equal(StrongView(4, Strength(0, 0, 0), seed=1).images(pattern), pattern)


def test_grey_values_stay_in_range_and_follow_the_seed(pattern):
    strong = Strength(intensity=2.0, geometry=0.0, holes=1.0)
    first, again, other = (StrongView(4, strong, seed=seed).images(pattern) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= float(first.min()) < float(first.max()) <= 1


def test_a_hole_is_as_grey_as_the_slice_and_no_longer_than_its_side(pattern):
    changed = StrongView(4, Strength(0, 0, 1.0), seed=4).images(pattern)
    hidden = (changed != pattern)[:, 0]
    assert hidden.any()
    for slice_hidden, slice_changed, slice_ in zip(hidden, changed, pattern, strict=True):
        assert int(slice_hidden.any(dim=0).sum()) <= 0.35 * 64 + 1
        assert torch.allclose(slice_changed[0][slice_hidden], slice_.mean())


def test_what_lies_beyond_the_slice_is_not_seen(pattern):
    view = StrongView(4, GEOMETRY, seed=8)
    centres = (torch.arange(64) * 2 + 1) / 64 - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    there = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ view.theta[:, None].transpose(2, 3)
    # Between the centres of the outermost pixels.
    inside = (there.abs() <= 1 - 1 / 64).all(dim=-1)
    assert torch.equal(view.seen(pattern)[:, 0], inside)
    assert inside.any()
    assert not inside.all()
