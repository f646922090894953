import numpy as np
import pytest
from scipy import ndimage

from seg.evaluate.surfaces import image_diagonal, surface, surface_axes, surface_distances


def test_the_surface_is_what_a_six_neighbour_erosion_takes_away(random_pair):
    for seed in range(40):
        mask = random_pair(seed)[0]
        assert np.array_equal(surface(mask), ndimage.binary_erosion(mask) ^ mask)


def test_within_a_slice_the_neighbours_above_and_below_do_not_count():
    block = np.ones((3, 3, 3), dtype=bool)
    assert surface(block).sum() == 26
    assert surface(block, (1, 2)).sum() == 3 * 8


def test_finding_the_surface_leaves_the_mask_alone():
    block = np.ones((3, 3, 3), dtype=bool)
    surface(block)
    assert block.all()


@pytest.mark.parametrize(
    ("depth", "contiguous", "axes"), [(5, True, (0, 1, 2)), (5, False, (1, 2)), (1, True, (1, 2)), (1, False, (1, 2))]
)
def test_a_lone_slice_has_no_surface_above_or_below(depth, contiguous, axes):
    assert surface_axes((depth, 4, 4), contiguous) == axes


def test_lone_slices_are_measured_as_if_each_were_alone(random_pair):
    for seed in range(1, 30, 2):
        prediction, reference, spacing = random_pair(seed)
        both = prediction.any(axis=(1, 2)) & reference.any(axis=(1, 2))
        prediction, reference = prediction[both], reference[both]
        if not both.any():
            continue
        diagonal = image_diagonal(prediction.shape, spacing, contiguous=False)
        together = surface_distances(prediction, reference, spacing, (1, 2), diagonal)
        alone = [
            surface_distances(one[None], other[None], spacing, (1, 2), diagonal)
            for one, other in zip(prediction, reference, strict=True)
        ]
        for side in ("from_prediction", "from_reference", "pooled"):
            pooled = np.concatenate([getattr(single, side) for single in alone])
            assert np.allclose(np.sort(getattr(together, side)), np.sort(pooled), atol=1e-9)


def test_a_slice_with_one_mask_only_counts_with_its_diagonal():
    prediction, reference = np.zeros((2, 2, 3, 4), dtype=bool)
    prediction[0, 1, 1] = prediction[1, 1, 1] = reference[0, 1, 2] = True
    found = surface_distances(prediction, reference, (1.0, 1.0, 1.0), (1, 2), 5.0)
    assert sorted(found.from_prediction) == [1.0, 5.0]
    assert found.from_reference.tolist() == [1.0]


def test_equal_masks_have_no_distance(filled):
    found = surface_distances(filled, filled, (2.0, 1.0, 0.5), (0, 1, 2), 10.0)
    assert not found.pooled.any()
    assert len(found.pooled) == 2 * filled.sum()


def test_no_distance_reaches_the_diagonal(random_pair):
    for seed in range(40):
        prediction, reference, spacing = random_pair(seed)
        axes = surface_axes(prediction.shape, contiguous=True)
        found = surface_distances(prediction, reference, spacing, axes, 1e3)
        assert found.pooled.max() < image_diagonal(prediction.shape, spacing, contiguous=True)
