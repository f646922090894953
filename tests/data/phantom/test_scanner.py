import numpy as np
import pytest

from seg.data.phantom.scanner import default_spacing, draw_table, scan
from seg.data.phantom.shapes import Canvas


def _water(step_mm: float = 2.7) -> Canvas:
    axis = (np.arange(48, dtype=np.float32) - 23.5) * np.float32(step_mm)
    z, y, x = (np.ascontiguousarray(grid) for grid in np.meshgrid(axis, axis, axis, indexing="ij"))
    return Canvas((axis,) * 3, (step_mm,) * 3, x, y, z, 0.0, np.zeros_like(x), np.zeros_like(x))


def _mean_over_keys(scanner: str) -> float:
    return float(np.mean([scan(_water(), (0, key), scanner).mean() for key in range(3)]))


def test_water_stays_near_zero_on_scanner_a_and_is_shifted_on_b() -> None:
    assert abs(_mean_over_keys("a")) < 0.5
    assert abs(_mean_over_keys("b")) > 1


def test_noise_has_a_plausible_level_and_neighbours_are_correlated() -> None:
    hu = scan(_water(), (0, 1), "a")
    assert 5 < hu.std() < 45
    fine = scan(_water(1.0), (0, 1), "b")
    assert np.corrcoef(fine[:, :, 1:].ravel(), fine[:, :, :-1].ravel())[0, 1] > 0.3


def test_noise_depends_on_patient_and_scanner_but_repeats() -> None:
    first = scan(_water(), (0, 1), "a")
    assert np.array_equal(first, scan(_water(), (0, 1), "a"))
    assert not np.array_equal(first, scan(_water(), (0, 2), "a"))


def test_smaller_voxels_are_noisier() -> None:
    assert scan(_water(1.4), (0, 1), "a").std() > 1.3 * scan(_water(2.7), (0, 1), "a").std()


def test_scanner_b_blurs_an_edge_more_than_a() -> None:
    widths = []
    for scanner in ("a", "b"):
        canvas = _water(1.0)
        canvas.hu[:, :, 24:] = 1000
        profile = scan(canvas, (0, 1), scanner).mean(axis=(0, 1))
        widths.append(int(((profile > 100) & (profile < 850)).sum()))
    assert widths[1] > widths[0]


def test_the_table_lies_below_the_back_only() -> None:
    canvas = _water()
    canvas.hu -= 1000
    draw_table(canvas, 100.0, 30.0)
    assert canvas.hu[:, canvas.axes[1] > 30].max() > -200
    assert canvas.hu[:, canvas.axes[1] < 28].max() == -1000


@pytest.mark.parametrize("size", [(32, 128, 128), (100, 256, 256)])
def test_the_field_of_view_follows_the_body_not_the_matrix(size: tuple[int, int, int]) -> None:
    z, y, x = default_spacing("a", size, 320.0)
    assert size[0] * z == pytest.approx(186)
    assert size[1] * y == size[2] * x == pytest.approx(362)
    assert default_spacing("b", size, 320.0)[0] > z
