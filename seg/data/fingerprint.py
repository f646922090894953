"""What a data set looks like: spacings, shapes, intensities inside the organs, organ sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seg.config import Data
from seg.data.organs import OrganSource
from seg.data.volume import CaseImage, read_image, read_masks
from seg.errors import DataError
from seg.progress import Progress, silent
from seg.records import Case, DataSet

Modality = Literal["ct", "mr", "picture"]

_SAMPLED_VALUES = 20_000
_BODY_HU = -500.0


@dataclass(frozen=True)
class Fingerprint:
    """Facts of the training cases that a plan is made from."""

    unit: Literal["mm", "px"]
    shapes_yx: tuple[tuple[int, int], ...]
    """In-plane pixels, one entry per case."""
    spacings_yx: tuple[tuple[float, float], ...]
    """In-plane distances, 1.0 where unknown."""
    slices: tuple[int, ...]
    modalities: tuple[Modality, ...]
    """One per channel."""
    foreground_percentiles: tuple[tuple[float, float], ...]
    """0.5 and 99.5 percentile inside the organs over all cases, per channel. Source: nnU-Net's CT normalisation."""
    foreground_mean_std: tuple[tuple[float, float], ...]
    type_maximum: tuple[float, ...]
    """Largest value the pixel type can hold, per channel; used for pictures."""
    organ_sizes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Per organ and case: millilitres where the spacing is known, else the mean share of a slice; no organ without
    labelled cases."""


def take_fingerprint(
    data_set: DataSet,
    cases: Sequence[Case],
    sources: Sequence[OrganSource],
    settings: Data,
    progress: Progress = silent,
) -> Fingerprint:
    """Read the training cases once and note what they look like; unreadable ones raise DataError.

    Of cases without labels, where no others train, nothing is known about the inside of organs.
    """
    looks: list[_Look] = []
    for number, case in enumerate(cases):
        image = read_image(case, settings)
        known = read_masks(case, image, sources, data_set.ignore_value, settings) if case.labelled else None
        looks.append(_look(image, known))
        progress(number + 1, len(cases), case.name)
    _same_channel_count(looks, cases)
    channels = range(len(looks[0].samples))
    inside = [np.concatenate([look.samples[channel] for look in looks]) for channel in channels]
    if any(look.spacing is None for look in looks) != all(look.spacing is None for look in looks):
        raise DataError(
            found="scans with and without spacing", expected="one kind of scan", code="mixed-spacing",
            fix="give data.spacing_mm=[y,x], or keep them in two data sets",
        )  # fmt: skip
    return Fingerprint(
        unit="px" if looks[0].spacing is None else "mm",
        shapes_yx=tuple(look.shape[1:] for look in looks),
        spacings_yx=tuple((1.0, 1.0) if look.spacing is None else look.spacing[1:] for look in looks),
        slices=tuple(look.shape[0] for look in looks),
        modalities=tuple(_modality(channel, data_set, settings, looks) for channel in channels),
        foreground_percentiles=tuple(_percentiles(values) for values in inside),
        foreground_mean_std=tuple((float(v.mean()), float(v.std())) if v.size else (0.0, 1.0) for v in inside),
        type_maximum=tuple(looks[0].type_maximum[channel] for channel in channels),
        organ_sizes={
            source.organ: sizes
            for number, source in enumerate(sources)
            if (sizes := tuple(look.sizes[number] for look in looks if look.sizes))
        },
    )


@dataclass(frozen=True)
class _Look:
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None
    minimum: float
    samples: list[NDArray[np.float32]]
    type_maximum: list[float]
    sizes: list[float]
    """One per organ; empty where the case has no labels."""


def _look(image: CaseImage, masks: Sequence[NDArray[np.uint8]] | None) -> _Look:
    if masks is None:
        inside = [np.zeros(np.shape(plane), dtype=np.bool_) for plane in image.channels[0]]
    else:
        inside = [(mask == 1).any(axis=0) for mask in masks]
    samples = [_sample([np.asarray(plane)[where] for plane, where in zip(channel, inside, strict=True)])
               for channel in image.channels]  # fmt: skip
    return _Look(
        shape=image.shape,
        spacing=image.spacing_mm,
        minimum=min(float(np.min(plane)) for plane in image.channels[0]),
        samples=samples,
        type_maximum=[_type_maximum(channel[0].dtype) for channel in image.channels],
        sizes=[] if masks is None else _sizes(image, masks),
    )


def _sizes(image: CaseImage, masks: Sequence[NDArray[np.uint8]]) -> list[float]:
    counts = np.sum([(mask == 1).sum(axis=(1, 2)) for mask in masks], axis=0)
    if image.spacing_mm is not None and image.contiguous:
        return [float(count) * float(np.prod(image.spacing_mm)) / 1000.0 for count in counts]
    pixels = sum(mask.shape[1] * mask.shape[2] for mask in masks)
    return [float(count) / pixels for count in counts]


def _sample(parts: list[NDArray[Any]]) -> NDArray[np.float32]:
    values = np.concatenate(parts)
    step = max(1, values.size // _SAMPLED_VALUES)
    return values[::step].astype(np.float32)


def _percentiles(values: NDArray[np.float32]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [0.5, 99.5])
    return float(low), max(float(high), float(low) + 1e-6)


def _type_maximum(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def _modality(channel: int, data_set: DataSet, settings: Data, looks: Sequence[_Look]) -> Modality:
    if settings.modality != "auto":
        return settings.modality
    declared = data_set.channel_names[channel].lower() if channel < len(data_set.channel_names) else ""
    if "ct" in declared.replace("_", " ").split():
        return "ct"
    if looks[0].type_maximum[channel] == 255.0:
        return "picture"
    if not declared and float(np.median([look.minimum for look in looks])) <= _BODY_HU:
        return "ct"
    return "mr"


def _same_channel_count(looks: Sequence[_Look], cases: Sequence[Case]) -> None:
    if not looks:
        raise DataError(
            found="no labelled training patient", expected="at least one", fix="add labels, or check data.labels",
            code="no-training-case",
        )  # fmt: skip
    for look, case in zip(looks, cases, strict=True):
        if len(look.samples) != len(looks[0].samples):
            raise DataError(
                found=f"{len(look.samples)} channels", expected=f"{len(looks[0].samples)} as in {cases[0].name}",
                fix="give every case the same channels", path=case.name, code="channel-count",
            )  # fmt: skip
