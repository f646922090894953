import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg.data.geometry import Grid, corner_displacement, usable_affine
from seg.errors import DataError

SHAPE = (3, 4, 5)
ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*order)
]


def affine_of(orientation, spacing=(1.0, 2.0, 3.0), origin=(5.0, -7.0, 11.0)):
    directions = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(orientation), SHAPE)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.inv(directions) * spacing
    affine[:3, 3] = origin
    return affine


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_comes_to_the_radiological_view_and_back(orientation):
    grid = Grid(SHAPE, affine_of(orientation))
    voxels = np.arange(60).reshape(SHAPE)
    view = grid.to_canonical(voxels)
    reference = nib.orientations.apply_orientation(
        voxels,
        nib.orientations.ornt_transform(
            nib.orientations.io_orientation(grid.affine), nib.orientations.axcodes2ornt("LPS")
        ),
    ).transpose(2, 1, 0)
    np.testing.assert_array_equal(view, reference)
    assert view.shape == grid.canonical_shape
    np.testing.assert_array_equal(grid.from_canonical(view), voxels)
    assert np.shares_memory(view, voxels)


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SAR", "PIL"])
def test_leading_axes_stay_where_they_are(orientation):
    grid = Grid(SHAPE, affine_of(orientation))
    stacked = np.arange(120).reshape(2, *SHAPE)
    view = grid.to_canonical(stacked)
    np.testing.assert_array_equal(view[1], grid.to_canonical(stacked[1]))
    np.testing.assert_array_equal(grid.from_canonical(view), stacked)


def test_spacing_follows_the_canonical_axes():
    grid = Grid(SHAPE, affine_of("SAR"))
    assert grid.spacing_mm == pytest.approx((1.0, 2.0, 3.0))
    assert Grid(SHAPE, affine_of("RAS")).spacing_mm == pytest.approx((3.0, 2.0, 1.0))


@pytest.mark.parametrize("orientation", ORIENTATIONS[::7])
def test_the_canonical_affine_points_at_the_same_voxels(orientation):
    grid = Grid(SHAPE, affine_of(orientation))
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"))
    places = np.tensordot(grid.affine[:3, :3], index, axes=1) + grid.affine[:3, 3][:, None, None, None]
    view = grid.to_canonical(places)
    z, y, x = 2, 1, 0
    np.testing.assert_allclose((grid.canonical_affine @ [z, y, x, 1])[:3], view[:, z, y, x])
    first_world_axis = np.diff(view[0], axis=2)
    assert (first_world_axis < 0).all(), "x grows to the patient's left, which is RAS minus"


def test_orientation_alone_is_no_displacement():
    one = Grid(SHAPE, affine_of("RAS"))
    codes = nib.orientations.io_orientation(affine_of("LPS"))
    turned = one.affine @ nib.orientations.inv_ornt_aff(codes, SHAPE)
    assert one.displacement_voxels(Grid(SHAPE, turned)) == pytest.approx(0.0, abs=1e-9)


def test_displacement_counts_voxels_at_the_worst_corner():
    one = Grid(SHAPE, affine_of("RAS"))
    shifted = Grid(SHAPE, affine_of("RAS", origin=(5.5, -7.0, 11.0)))
    stretched = Grid(SHAPE, affine_of("RAS", spacing=(1.0, 2.0, 3.3)))
    assert one.displacement_voxels(shifted) == pytest.approx(0.5)
    assert one.displacement_voxels(stretched) == pytest.approx(0.4)
    assert one.displacement_voxels(Grid((3, 4, 6), one.affine)) == float("inf")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9), st.sampled_from([0.5, 1.0, 5.0]))
def test_any_rotation_survives_the_way_to_the_view_and_back(numbers, thickness):
    matrix = np.array(numbers).reshape(3, 3) + 2 * np.eye(3)
    rotation, _ = np.linalg.qr(matrix)
    affine = np.eye(4)
    affine[:3, :3] = rotation * (0.7, 0.9, thickness)
    grid = Grid(SHAPE, affine)
    voxels = np.arange(60).reshape(SHAPE)
    np.testing.assert_array_equal(grid.from_canonical(grid.to_canonical(voxels)), voxels)
    assert sorted(grid.spacing_mm) == pytest.approx(sorted((0.7, 0.9, thickness)))
    assert usable_affine(affine, SHAPE)[1] == ()


def test_a_slight_shear_is_straightened_about_the_centre_and_said():
    affine = affine_of("RAS")
    affine[0, 1] += 2.0 * 4e-4
    straight, notes = usable_affine(affine, SHAPE)
    directions = straight[:3, :3] / np.linalg.norm(straight[:3, :3], axis=0)
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-12)
    assert "shear" in notes[0]
    centre = np.array([1.0, 1.5, 2.0, 1.0])
    np.testing.assert_allclose(straight @ centre, affine @ centre)
    assert corner_displacement(affine, straight, SHAPE) < 1e-3


def test_a_true_shear_is_refused():
    affine = affine_of("RAS")
    affine[1, 2] += 0.3
    with pytest.raises(DataError, match="sheared") as caught:
        usable_affine(affine, SHAPE)
    assert caught.value.code == "shear"


@pytest.mark.parametrize("size", [0.0, np.nan, np.inf, 1e-6, 1e4])
def test_impossible_spacing_is_refused(size):
    affine = np.diag([1.0, 1.0, size, 1.0])
    with pytest.raises(DataError) as caught:
        usable_affine(affine, SHAPE)
    assert caught.value.code == "spacing"
