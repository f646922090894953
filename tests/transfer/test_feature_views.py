from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Augment
from seg.data.cache import PreparedCase
from seg.data.plan import Intensity, Plan
from seg.transfer._feature_views import Views

SIDE, SLICES = 32, 4
PLAN = Plan(("liver",), (1,), 1.0, "px", SIDE, 1, (Intensity("range", 0.0, 255.0),))


def _case(folder: Path, name: str = "a", contiguous: bool = True) -> PreparedCase:
    place = folder / name
    place.mkdir()
    random = np.random.default_rng(0)
    coarse = random.random((SLICES, 1, 4, 4)).repeat(8, axis=2).repeat(8, axis=3)
    np.save(place / "image.npy", coarse.astype(np.float16))
    # The organ is what is bright, so that a mask of another sample would be noticed.
    np.save(place / "masks.npy", (coarse > 0.5).astype(np.uint8))
    return PreparedCase(name, name, place, contiguous, True, tuple(range(SLICES)))


def _views(**augment: float) -> Views:
    return Views(PLAN, Augment(**augment), seed=3)


def _all(views: Views, case: PreparedCase, view: int, batch_size: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(views.batches(case, view, batch_size))
    return torch.cat([batch.images for batch in batches]), torch.cat([batch.masks for batch in batches])


def test_the_first_view_is_the_slice_itself(tmp_path):
    case = _case(tmp_path)
    images, masks = _all(_views(), case, 0)
    assert images.shape == (SLICES, 3, SIDE, SIDE)
    assert np.array_equal(images[:, 1].numpy(), case.image[:, 0].astype(np.float32))
    assert np.array_equal(images[1, 0].numpy(), case.image[0, 0].astype(np.float32))
    assert np.array_equal(masks[:, 0].numpy(), case.masks[:, 0])


def test_lone_slices_are_repeated_instead_of_mixed(tmp_path):
    images, _ = _all(_views(), _case(tmp_path, contiguous=False), 0)
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 1], images[:, 2])


def test_further_views_are_augmented_each_in_its_own_way_and_always_the_same(tmp_path):
    case = _case(tmp_path)
    images = [_all(_views(), case, view)[0] for view in range(3)]
    assert len({tuple(image.flatten().tolist()) for image in images}) == 3
    assert torch.equal(_all(_views(), case, 2, batch_size=1)[0], images[2])


def test_cases_are_not_turned_alike(tmp_path):
    one, other = _case(tmp_path, "a"), _case(tmp_path, "b")
    assert torch.equal(_all(_views(), one, 0)[0], _all(_views(), other, 0)[0])
    assert not torch.equal(_all(_views(), one, 1)[0], _all(_views(), other, 1)[0])


@pytest.mark.parametrize("view", [0, 1, 2])
def test_masks_are_those_of_the_same_augmented_slice(tmp_path, view):
    geometry_alone = {"brightness": 0, "contrast": 0, "gamma": 0, "noise": 0, "blur": 0, "rotation_deg": 40}
    images, masks = _all(_views(**geometry_alone), _case(tmp_path), view)
    # Where pixels were mixed by the rotation, the two may differ.
    assert float(((images[:, 1:2] > 0.5).float() == masks).float().mean()) > 0.95
