import numpy as np
import pytest

from seg.data.phantom.shapes import Canvas, ramp, smooth_field, smooth_line, soft_max, soft_step, stream


def _axes(step_mm: float = 2.0, reach_mm: float = 40.0) -> tuple:
    axis = np.arange(-reach_mm, reach_mm + step_mm, step_mm, dtype=np.float32)
    return (axis, axis, axis)


def _canvas(step_mm: float = 2.0) -> Canvas:
    axes = _axes(step_mm)
    z, y, x = (np.ascontiguousarray(grid) for grid in np.meshgrid(*axes, indexing="ij"))
    return Canvas(axes, (step_mm,) * 3, x, y, z, 0.0, np.zeros_like(x), np.full_like(x, -100.0))


def test_a_stream_depends_on_every_part_of_its_key() -> None:
    draws = {stream(*key).random() for key in ((0, 1, "liver"), (0, 1, "spleen"), (0, 2, "liver"), (1, 1, "liver"))}
    assert len(draws) == 4
    assert stream(0, 1, "liver").random() in draws


def test_a_smooth_field_has_unit_spread_and_no_jumps() -> None:
    axes = _axes(2.0, 120.0)
    field = smooth_field(stream(0), axes, 15.0)
    assert field.std() == pytest.approx(1, abs=0.15)
    assert np.abs(np.diff(field, axis=2)).max() < 0.8


def test_a_finer_grid_samples_the_same_field() -> None:
    coarse = smooth_field(stream(0), _axes(4.0), 20.0)
    fine = smooth_field(stream(0), _axes(2.0), 20.0)
    assert np.allclose(fine[::2, ::2, ::2], coarse, atol=1e-4)


def test_the_shares_of_a_ball_sum_to_its_volume() -> None:
    canvas = _canvas()
    share = canvas.occupancy(canvas.ellipsoid(canvas.whole, (1.3, 0.4, -0.7), (15, 15, 15)))
    assert share.sum() * 8 == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.02)
    assert ((share > 0.01) & (share < 0.99)).sum() > 500


def test_paint_takes_from_what_lies_below() -> None:
    canvas = _canvas()
    canvas.paint(
        canvas.whole, canvas.occupancy(canvas.ellipsoid(canvas.whole, (0, 0, 0), (20, 20, 20))), 100.0, "liver"
    )
    canvas.paint(
        canvas.whole, canvas.occupancy(canvas.ellipsoid(canvas.whole, (20, 0, 0), (10, 10, 10))), 50.0, "pancreas"
    )
    assert (canvas.shares["liver"] + canvas.shares["pancreas"]).max() <= 1 + 1e-5
    assert canvas.hu[20, 20, 20] == pytest.approx(100, abs=1)
    assert canvas.hu[20, 20, 30] == pytest.approx(50, abs=1)


def test_paint_inside_a_structure_leaves_its_share_alone() -> None:
    canvas = _canvas()
    canvas.paint(
        canvas.whole, canvas.occupancy(canvas.ellipsoid(canvas.whole, (0, 0, 0), (20, 20, 20))), 100.0, "liver"
    )
    before = canvas.shares["liver"].copy()
    region, distance = canvas.tube(np.array([[-38.0, 0, 0, 4], [38.0, 0, 0, 4]]))
    canvas.paint(region, canvas.occupancy(distance), 200.0, inside="liver")
    assert np.array_equal(canvas.shares["liver"], before)
    assert canvas.hu[20, 20, 20] == pytest.approx(200, abs=1)
    assert canvas.hu[20, 20, 38] == pytest.approx(-100, abs=1)


def test_a_tube_has_the_volume_of_a_capsule() -> None:
    canvas = _canvas(1.0)
    region, distance = canvas.tube(np.array([[-20.0, 0, 0, 6], [20.0, 0, 0, 6]]))
    expected = np.pi * 36 * 40 + 4 / 3 * np.pi * 216
    assert canvas.occupancy(distance).sum() == pytest.approx(expected, rel=0.03)
    assert canvas.hu[region].shape == distance.shape


def test_a_region_outside_the_grid_still_has_two_voxels_along_each_axis() -> None:
    canvas = _canvas()
    region = canvas.region(((500, 510), (-510, -500), (0, 1)))
    assert min(canvas.hu[region].shape) >= 2


def test_a_smooth_line_keeps_its_ends_and_drops_repeated_points() -> None:
    line = smooth_line([(0, 0, 0, 5), (10, 0, 0, 5), (10, 0, 0, 5), (30, 10, 0, 3)], 5.0)
    assert np.allclose(line[0], (0, 0, 0, 5))
    assert np.allclose(line[-1], (30, 10, 0, 3))
    assert np.linalg.norm(np.diff(line[:, :3], axis=0), axis=1).max() < 8


def test_ramp_step_and_soft_intersection_meet_their_limits() -> None:
    value = np.array([-100.0, 0.0, 100.0], np.float32)
    assert np.allclose(ramp(value, [(-10, 1.0), (10, 3.0)]), (1, 2, 3))
    assert np.allclose(soft_step(value, 5), (0, 0.5, 1), atol=1e-6)
    assert np.allclose(soft_max(value, -value, 1e-3), (100, 0, 100), atol=1e-2)
