import numpy as np
import pytest

from seg.config import Augment
from seg.data.augment import Augmentation, Sample


def _sample(channels: int = 3, organs: int = 1, side: int = 96) -> Sample:
    y, x = np.mgrid[:side, :side]
    inside = ((y - side / 2) ** 2 + (x - side / 3) ** 2) < (side / 6) ** 2
    image = np.repeat(np.where(inside, 0.8, 0.3)[None], channels, axis=0).astype(np.float32)
    return Sample(image, np.repeat(inside[None], organs, axis=0).astype(np.uint8))


def test_the_same_seed_gives_the_same_change() -> None:
    augmentation = Augmentation(Augment(), 64)
    one, other = augmentation(_sample(), (3, 7)), augmentation(_sample(), (3, 7))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.masks, other.masks)


def test_every_seed_gives_another_change() -> None:
    augmentation = Augmentation(Augment(), 64)
    changed = {augmentation(_sample(), (0, index)).image.tobytes() for index in range(16)}
    assert len(changed) == 16


def test_a_change_does_not_depend_on_what_was_changed_before() -> None:
    fresh, used = Augmentation(Augment(), 64), Augmentation(Augment(), 64)
    for index in range(5):
        used(_sample(), (9, index))
    assert np.array_equal(fresh(_sample(), (1, 1)).image, used(_sample(), (1, 1)).image)


def test_image_and_mask_move_together() -> None:
    augmentation = Augmentation(Augment(brightness=0, contrast=0, gamma=0, noise=0, blur=0), 96)
    for index in range(8):
        changed = augmentation(_sample(), (0, index))
        bright = changed.image[0] > 0.55
        inside = changed.masks[0] == 1
        overlap = 2 * (bright & inside).sum() / (bright.sum() + inside.sum())
        assert overlap > 0.97


@pytest.mark.parametrize(("channels", "organs"), [(1, 1), (3, 2), (9, 5)])
def test_any_number_of_channels_and_organs_keeps_its_shape_and_type(channels: int, organs: int) -> None:
    changed = Augmentation(Augment(), 64)(_sample(channels, organs), (0,))
    assert changed.image.shape == (channels, 64, 64)
    assert changed.masks.shape == (organs, 64, 64)
    assert (changed.image.dtype, changed.masks.dtype) == (np.float32, np.uint8)


def test_strength_zero_only_crops_and_pads() -> None:
    sample = _sample(side=40)
    plain = Augmentation(Augment(strength=0), 64)(sample, (0,))
    assert np.array_equal(plain.image[:, 12:52, 12:52], sample.image)
    assert plain.image.sum() == pytest.approx(sample.image.sum())


def test_a_crop_of_a_large_slice_often_shows_the_organ() -> None:
    masks = np.zeros((1, 400, 400), np.uint8)
    masks[0, 380:390, 10:20] = 1
    sample = Sample(np.zeros((1, 400, 400), np.float32), masks)
    crop = Augmentation(Augment(strength=0), 64)
    shown = sum(crop(sample, (0, index)).masks.any() for index in range(60))
    assert 20 <= shown <= 50


def test_ignored_pixels_stay_ignored() -> None:
    sample = _sample()
    sample.masks[0, :20] = 255
    changed = Augmentation(Augment(), 96)(sample, (4,))
    assert set(np.unique(changed.masks)) <= {0, 1, 255}
    assert (changed.masks == 255).any()


def test_a_left_right_flip_mirrors_columns() -> None:
    augmentation = Augmentation(Augment(strength=1e-6, flip=("left_right",)), 96)
    sides = {bool(augmentation(_sample(), (index,)).masks[0, :, :48].any()) for index in range(12)}
    assert sides == {True, False}
