"""Make a source slice look like a target slice: albumentations' histogram matching and Fourier adaptation."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from typing import Any, Literal

import albumentations as A
import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]

Method = Literal["histogram", "fourier", "both"]

_HISTOGRAM_KEY, _FOURIER_KEY = "histogram_references", "fourier_references"


class PixelAdaptation:
    """Gives a slice the grey values, the low frequencies, or both of a slice of the target, with a probability."""

    def __init__(self, method: Method, probability: float, beta: float) -> None:
        """`beta` is the half side of the square of frequencies that are exchanged, as a share of the image's side."""
        histogram = A.HistogramMatching(blend_ratio=(1.0, 1.0), metadata_key=_HISTOGRAM_KEY, p=1.0)
        fourier = CentredFourier(beta_limit=(beta, beta), metadata_key=_FOURIER_KEY, p=1.0)
        chosen = {"histogram": [histogram], "fourier": [fourier], "both": [histogram, fourier]}[method]
        self._pipeline = A.Compose([A.Sequential(chosen, p=probability)])

    def __call__(self, image: Planes, target: Planes, seed: int) -> Planes:
        """(channel, y, x) in [0, 1], as `image`; `seed` decides whether anything changes."""
        self._pipeline.set_random_seed(seed)
        references = {_HISTOGRAM_KEY: [_last(with_body_of(image, target))], _FOURIER_KEY: [_last(target)]}
        changed = self._pipeline(image=_last(image), **references)["image"]
        return _first(changed.reshape(*image.shape[1:], -1))


def with_body_of(image: Planes, target: Planes) -> Planes:
    """`image` with the target's grey values in its body, the pixels above a channel's mean, in arbitrary places.

    As a reference of histogram matching it leaves what is around the body alone. Matched to the target's slice itself,
    a thick patient's muscles turn black where the target's patient is thin, since more of that slice is air.
    Source: threshold at the mean, as in Nyul & Udupa 1999 and ITK's HistogramMatchingImageFilter.
    """
    reference = image.copy()
    for plane, wanted in zip(reference, target, strict=True):
        body, values = plane > plane.mean(), np.sort(wanted[wanted > wanted.mean()])
        if body.any() and values.size:
            plane[body] = values[np.linspace(0, values.size - 1, int(body.sum())).round().astype(int)]
    return reference


class CentredFourier(A.FDA):  # type: ignore[misc]
    """albumentations' FDA, but with a square around frequency 0.

    Its own lies around the middle between two pixels, so that for sides of an even length -3 to 0 is exchanged in place
    of -2 to 2, and the inverse transform is not real.
    """

    def apply(self, img: Planes, target_image: Planes, beta: float, **params: Any) -> Planes:
        """(y, x, channel), as albumentations calls it, which drops a lone channel of the target."""
        border = int(min(img.shape[:2]) * beta)
        return _last(with_amplitudes_of(_first(img), _first(target_image.reshape(img.shape)), border))


def with_amplitudes_of(image: Planes, target: Planes, border: int) -> Planes:
    """`image`, (channel, y, x), with the target's amplitudes and its own phases at low frequencies, clipped to [0, 1].

    Low are -border to border along both axes. They alone are computed, for so few of them faster than a full transform.
    Source: Yang & Soatto 2020, FDA, equation 3.
    """
    height, width = image.shape[1:]
    rows, columns = _waves(height, border), _waves(width, border)
    own, other = (rows @ planes @ columns.T for planes in (image, target))
    difference = (np.abs(other) - np.abs(own)) * np.exp(1j * np.angle(own))
    change = (rows.conj().T @ difference @ columns.conj()).real / (height * width)
    clipped: Planes = np.clip(image + change, 0.0, 1.0).astype(np.float32)
    return clipped


def _waves(side: int, border: int) -> NDArray[np.complex128]:
    """exp(-2 pi i f y / side) for each low frequency f and pixel y."""
    waves: NDArray[np.complex128] = np.exp(
        -2j * np.pi * np.outer(np.arange(-border, border + 1), np.arange(side)) / side
    )
    return waves


def _last(planes: Planes) -> Planes:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _first(planes: Planes) -> Planes:
    return np.ascontiguousarray(planes.transpose(2, 0, 1))
