"""Random changes of a training slice, by albumentations. Each slice's randomness comes from its own seed."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from dataclasses import dataclass
from typing import TypeVar

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray

from seg.config import Augment

Image = NDArray[np.float32]
Masks = NDArray[np.uint8]

_Planes = TypeVar("_Planes", NDArray[np.float32], NDArray[np.uint8])

_MARGIN = 1.25
"""A crop this much larger than the training square is rotated and zoomed: corners then show the scan, not padding."""


@dataclass(frozen=True)
class Sample:
    """One training slice."""

    image: Image
    """(channel, y, x), 0 to 1."""
    masks: Masks
    """(organ, y, x): 0, 1 or IGNORE."""


class Augmentation:
    """Crops a slice to the training square and changes it at random; a function of the slice and the seed."""

    def __init__(self, settings: Augment, size_px: int) -> None:
        """With strength 0 only the crop is random."""
        self._size = size_px
        strength = settings.strength
        self._compose = A.Compose(_geometry(settings, strength) + _intensity(settings, strength)) if strength else None

    def __call__(self, sample: Sample, seed: tuple[int, ...]) -> Sample:
        """A (channel, size, size) image and its masks."""
        random = np.random.default_rng(seed)
        margin = _MARGIN if self._compose else 1.0
        image, masks = _window(sample, round(self._size * margin), random)
        if self._compose is not None:
            self._compose.set_random_seed(int(random.integers(2**31)))
            changed = self._compose(image=image.transpose(1, 2, 0), mask=masks.transpose(1, 2, 0))
            image, masks = _channel_first(changed["image"]), _channel_first(changed["mask"])
        return Sample(_fit(image, self._size), _fit(masks, self._size))


def _geometry(settings: Augment, strength: float) -> list[A.BasicTransform]:
    flips = {"left_right": A.HorizontalFlip(p=0.5), "front_back": A.VerticalFlip(p=0.5)}
    zoom = min(settings.scale * strength, 0.9)
    angle = min(settings.rotation_deg * strength, 180.0)
    shift = settings.shift * strength
    return [
        A.Affine(
            scale=(1 - zoom, 1 + zoom), rotate=(-angle, angle), translate_percent=(-shift, shift),
            interpolation=cv2.INTER_LINEAR, mask_interpolation=cv2.INTER_NEAREST, p=0.9,
        ),
        *(flips[axis] for axis in settings.flip),
    ]  # fmt: skip


def _intensity(settings: Augment, strength: float) -> list[A.BasicTransform]:
    brightness, contrast = settings.brightness * strength, settings.contrast * strength
    gamma = min(settings.gamma * strength, 0.9) * 100
    noise = settings.noise * strength
    return [
        A.RandomBrightnessContrast(brightness_limit=brightness, contrast_limit=contrast, ensure_safe_range=True, p=0.7),
        A.RandomGamma(gamma_limit=(100 - gamma, 100 + gamma), p=0.4),
        A.GaussianBlur(blur_limit=3, sigma_limit=(0.3, 1.0), p=min(settings.blur * strength, 1.0)),
        A.GaussNoise(std_range=(0.0, min(noise, 1.0)), p=0.4 if noise else 0.0),
    ]


def _window(sample: Sample, side: int, random: np.random.Generator) -> tuple[Image, Masks]:
    """At most `side` x `side` pixels, centred on a random organ pixel half of the time; small slices stay whole."""
    height, width = sample.image.shape[1:]
    if height <= side and width <= side:
        return sample.image, sample.masks
    centre = _organ_pixel(sample.masks, random) if random.random() < 0.5 else None
    window = []
    for axis, extent in enumerate((height, width)):
        free = max(extent - side, 0)
        wish = int(random.integers(free + 1)) if centre is None else centre[axis] - side // 2
        start = min(max(wish, 0), free)
        window.append(slice(start, start + side))
    rows, columns = window
    return sample.image[:, rows, columns], sample.masks[:, rows, columns]


def _organ_pixel(masks: Masks, random: np.random.Generator) -> tuple[int, int] | None:
    inside = np.flatnonzero((masks == 1).any(axis=0))
    if inside.size == 0:
        return None
    row, column = divmod(int(inside[random.integers(inside.size)]), masks.shape[2])
    return row, column


def _fit(planes: _Planes, side: int) -> _Planes:
    """The centre of `planes` at (channel, side, side), padded with zeros where it is smaller."""
    fitted = np.zeros((planes.shape[0], side, side), dtype=planes.dtype)
    (to_y, from_y), (to_x, from_x) = (_centred(extent, side) for extent in planes.shape[1:])
    fitted[:, to_y, to_x] = planes[:, from_y, from_x]
    return fitted


def _centred(extent: int, side: int) -> tuple[slice, slice]:
    """Where the middle of an axis of `extent` goes in one of `side`, and where it comes from."""
    kept = min(extent, side)
    to, start = (side - kept) // 2, (extent - kept) // 2
    return slice(to, to + kept), slice(start, start + kept)


def _channel_first(changed: _Planes) -> _Planes:
    return changed.transpose(2, 0, 1) if changed.ndim == 3 else changed[None]
