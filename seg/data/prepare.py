"""From a case's own grid and intensities to the network's, and back."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seg.data.plan import Intensity, Plan
from seg.data.volume import IGNORE, CaseImage
from seg.errors import DataError

Plane = NDArray[np.float32]


def prepared_planes(image: CaseImage, plan: Plan) -> Iterator[Plane]:
    """Per slice (channel, y, x) on the network's grid, intensities in 0 to 1.

    Raises DataError where the scan has other channels, or intensities of another range, than the plan was made for.
    """
    if len(image.channels) != len(plan.intensities):
        raise DataError(
            found=f"{len(image.channels)} channels", expected=f"{len(plan.intensities)}, as the plan was made for",
            fix="give the channels the model was trained with", code="channel-count",
        )  # fmt: skip
    scales = [_scale(intensity, image, channel) for channel, intensity in enumerate(plan.intensities)]
    spacing = None if image.spacing_mm is None else image.spacing_mm[1:]
    for z in range(len(image)):
        plane = image.plane(z)
        for channel, (low, high) in enumerate(scales):
            plane[channel] = np.clip((plane[channel] - low) / (high - low), 0.0, 1.0)
        yield resize(plane, plan.plane_shape(plane.shape[1:], spacing))


def shown_plane(image: CaseImage, plan: Plan, z: int) -> NDArray[np.uint8]:
    """(y, x) of one slice's first channel on its own grid as a person looks at it: 0 black to 255 white."""
    low, high = _scale(plan.intensities[0], image, 0)
    shown: NDArray[np.uint8] = (
        (np.clip((image.plane(z)[0] - low) / (high - low), 0.0, 1.0) * 255).round().astype(np.uint8)
    )
    return shown


def _scale(intensity: Intensity, image: CaseImage, channel: int) -> tuple[float, float]:
    if intensity.kind == "range":
        _refuse_other_range(intensity, image, channel)
    if intensity.kind != "zscore":
        return intensity.low, intensity.high
    values = np.concatenate([np.asarray(plane)[::4, ::4].ravel() for plane in image.channels[channel]])
    body = values[values > values.min()] if np.any(values > values.min()) else values
    low, high = np.percentile(body, [0.5, 99.5])
    inside = np.clip(body, low, high)
    mean, deviation = float(inside.mean()), max(float(inside.std()), 1e-6)
    return mean + intensity.low * deviation, mean + intensity.high * deviation


def _refuse_other_range(intensity: Intensity, image: CaseImage, channel: int) -> None:
    """The same grey must mean the same: 16-bit pictures would be white to a network that knows 8 bits."""
    for plane in image.channels[channel]:
        whole = np.issubdtype(plane.dtype, np.integer)
        pictures_differ = image.scan is None and whole and np.iinfo(plane.dtype).max != intensity.high
        if pictures_differ or plane.max() > intensity.high:
            raise DataError(
                found=f"intensities up to {plane.max():g} ({plane.dtype})", expected=f"0 to {intensity.high:g}",
                fix="export them with the number of bits of the training scans, or train with prepare.intensity=zscore",
                code="intensity-range",
            )  # fmt: skip


def resize(planes: Plane, shape_yx: tuple[int, int]) -> Plane:
    """(channel, y, x) at another number of pixels over the same field of view; averages where it shrinks."""
    if planes.shape[1:] == shape_yx:
        return planes
    shrinks = shape_yx[0] * shape_yx[1] < planes.shape[1] * planes.shape[2]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    height, width = shape_yx
    return np.stack(
        [cv2.resize(np.ascontiguousarray(plane), (width, height), interpolation=method) for plane in planes]
    )


def resize_masks(masks: NDArray[np.uint8], shape_yx: tuple[int, int]) -> NDArray[np.uint8]:
    """(organ, y, x) masks at another size: inside where at least half of the pixel is; IGNORE survives likewise."""
    if masks.shape[1:] == shape_yx:
        return masks
    inside = resize((masks == 1).astype(np.float32), shape_yx) >= 0.5
    resized = inside.astype(np.uint8)
    if (masks == IGNORE).any():
        resized[resize((masks == IGNORE).astype(np.float32), shape_yx) >= 0.5] = IGNORE
    return resized


def stack_neighbours(planes: Sequence[Plane] | NDArray[np.float16], z: int, neighbours: int, contiguous: bool) -> Plane:
    """(channel * (2 * neighbours + 1), y, x): each channel with its neighbouring slices, z - n first.

    At the ends the last slice is repeated, and a lone slice (not contiguous) is repeated instead of mixed.
    """
    around = [min(max(z + offset, 0), len(planes) - 1) if contiguous else z
              for offset in range(-neighbours, neighbours + 1)]  # fmt: skip
    stacked = np.stack([np.asarray(planes[index], dtype=np.float32) for index in around], axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])
