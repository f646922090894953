from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seg.advise.organ_shape import OrganShape, organ_shape
from seg.data.cache import PreparedCase


@pytest.fixture
def shape_of(tmp_path: Path) -> Callable[..., OrganShape | None]:
    def made(*masks: NDArray, spacing: float = 1.0) -> OrganShape | None:
        np.save(tmp_path / "masks.npy", np.stack(masks)[:, None].astype(np.uint8))
        case = PreparedCase("a", "a", tmp_path, True, True, tuple(range(len(masks))))
        return organ_shape([case], spacing)

    return made


ROWS, COLUMNS = np.mgrid[:100, :100]


def _ellipse(long: float, short: float, angle: float = 0.0, row: float = 50.0, column: float = 50.0) -> NDArray:
    along = (COLUMNS - column) * np.cos(angle) + (ROWS - row) * np.sin(angle)
    across = (ROWS - row) * np.cos(angle) - (COLUMNS - column) * np.sin(angle)
    return (along / long) ** 2 + (across / short) ** 2 <= 1


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_an_ellipse_is_full_and_as_long_as_it_is_whichever_way_it_lies(shape_of: Callable, angle: float) -> None:
    found = shape_of(_ellipse(30, 15, angle), spacing=2.0)
    assert found.parts == 1
    assert found.elongation == pytest.approx(2, rel=0.02)
    assert found.fullness == pytest.approx(1, abs=0.02)
    assert found.area == pytest.approx(4 * np.pi * 30 * 15, rel=0.02)


def test_a_single_block_of_pixels_is_nearly_full(shape_of: Callable) -> None:
    block = np.zeros((100, 100), bool)
    block[10:20, 10:20] = True
    # A square has moments of side^2 / 12 each way: 12 / (4 pi) of its ellipse.
    assert shape_of(block).fullness == pytest.approx(12 / (4 * np.pi), abs=1e-6)


def test_two_parts_are_counted_and_leave_much_empty(shape_of: Callable) -> None:
    found = shape_of(_ellipse(10, 10, row=20) | _ellipse(10, 10, row=80))
    assert found.parts == 2
    assert found.fullness < 0.5


def test_parts_that_touch_at_a_corner_are_one(shape_of: Callable) -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:15, 10:15] = mask[15:20, 15:20] = True
    assert shape_of(mask).parts == 1


def test_it_is_the_median_over_slices_that_show_enough(shape_of: Callable) -> None:
    dot = np.zeros((100, 100), bool)
    dot[0, :3] = True
    found = shape_of(_ellipse(10, 10), _ellipse(20, 10), _ellipse(40, 10), dot)
    assert found.elongation == pytest.approx(2, rel=0.05)
    assert shape_of(dot) is None


def test_an_organ_one_pixel_wide_has_a_shape(shape_of: Callable) -> None:
    line = np.zeros((100, 100), bool)
    line[50, 10:20] = True
    assert shape_of(line).elongation == pytest.approx(10, rel=1e-6)
