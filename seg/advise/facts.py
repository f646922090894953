"""Plain facts of two data sets, and their differences in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.advise.organ_shape import OrganShape, organ_shape
from seg.data.cache import PreparedCase
from seg.data.fingerprint import Fingerprint
from seg.data.plan import Plan

_QUANTILES = (0.05, 0.5, 0.95)
_ALIKE = 1.25
"""Two numbers with a ratio up to this are called alike; a choice of this project."""
_ALIKE_INTENSITY = 0.1
"""The same for quantiles of the network's intensities, of which the range is 1."""
_EVERY_PIXEL = 4
"""Intensities are taken at every so many pixels along rows and columns."""


@dataclass(frozen=True)
class DataFacts:
    """What a person wants to know of a data set before its scans meet another's."""

    organs: tuple[str, ...]
    modalities: tuple[str, ...]
    patients: int
    labelled_slices: int
    """Slices that show an organ."""
    pixel: float
    """Median in-plane distance of the scans' pixels."""
    unit: str
    """mm or px."""
    intensities: tuple[float, float, float]
    """5, 50 and 95 % quantile of the organ's pixels as the network sees them, 0 to 1."""
    surroundings: tuple[float, float, float]
    """The same of all pixels of the slices that show it."""
    organ_size: float | None
    """Median over the cases, all organs together: ml, or the share of a slice where the spacing is not known."""
    shape: OrganShape | None


def take_facts(fingerprint: Fingerprint, plan: Plan, cases: Sequence[PreparedCase]) -> DataFacts:
    """The facts of labelled cases, prepared with that plan, and of the fingerprint of the same cases."""
    sizes = np.array([fingerprint.organ_sizes[organ] for organ in plan.organs if organ in fingerprint.organ_sizes])
    inside, everywhere = _intensities(cases)
    return DataFacts(
        organs=plan.organs,
        modalities=tuple(fingerprint.modalities),
        patients=len({case.patient for case in cases}),
        labelled_slices=sum(len(case.organ_slices) for case in cases),
        pixel=float(np.median([min(spacing) for spacing in fingerprint.spacings_yx])),
        unit=fingerprint.unit,
        intensities=inside,
        surroundings=everywhere,
        organ_size=float(np.median(sizes.sum(axis=0))) if sizes.size else None,
        shape=organ_shape(cases, plan.spacing),
    )


def differences(source: DataFacts, target: DataFacts) -> tuple[str, ...]:
    """One sentence per fact, the source's first; numbers up to a quarter apart are called alike."""
    found = [
        _modality(source, target),
        f"Labels: {source.labelled_slices} slices of {source.patients} patients, "
        f"target {target.labelled_slices} of {target.patients}.",
        _pixels(source, target),
        _quantiles("Intensities of the organ", source.intensities, target.intensities),
        _quantiles("Intensities of the slices", source.surroundings, target.surroundings),
        _size(source, target),
    ]
    return (*found, *_shapes(source, target))


def _modality(source: DataFacts, target: DataFacts) -> str:
    theirs, ours = (" + ".join(facts.modalities) for facts in (source, target))
    return f"Modality: both {ours}." if theirs == ours else f"Modality: {theirs}, target {ours}: another kind of scan."


def _pixels(source: DataFacts, target: DataFacts) -> str:
    if source.unit != target.unit:
        unknown = "the source's" if source.unit == "px" else "the target's"
        return f"Pixel size: cannot be compared, {unknown} is not known."
    if source.unit == "px":
        return "Pixel size: not known of either."
    return _compared("Pixel size", source.pixel, target.pixel, " mm")


def _size(source: DataFacts, target: DataFacts) -> str:
    if source.organ_size is None or target.organ_size is None or source.unit != target.unit:
        return "Organ size: cannot be compared."
    return _compared(
        "Organ size", source.organ_size, target.organ_size, " ml" if source.unit == "mm" else " of a slice"
    )


_SHAPES: tuple[tuple[str, Callable[[OrganShape], float]], ...] = (
    ("Parts of the organ per slice", lambda shape: shape.parts),
    ("Length by width in a slice", lambda shape: shape.elongation),
    ("Fullness in a slice (1 is an ellipse)", lambda shape: shape.fullness),
)


def _shapes(source: DataFacts, target: DataFacts) -> tuple[str, ...]:
    theirs, ours = source.shape, target.shape
    if theirs is None or ours is None:
        return ("Organ shape: cannot be compared, no slice shows enough of it.",)
    return tuple(_compared(name, value(theirs), value(ours), "") for name, value in _SHAPES)


def _compared(name: str, theirs: float, ours: float, unit: str) -> str:
    numbers = f"{name}: {_written(theirs)}{unit}, target {_written(ours)}{unit}"
    low, high = sorted((theirs, ours))
    if low > 0 and high / low > _ALIKE:
        return f"{numbers}, {ours / theirs:.2g} times as large."
    return f"{numbers}, alike." if low > 0 or high == 0 else f"{numbers}."


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _quantiles(name: str, theirs: Sequence[float], ours: Sequence[float]) -> str:
    numbers = [" / ".join(f"{value:.2f}" for value in values) for values in (theirs, ours)]
    apart = max(abs(a - b) for a, b in zip(theirs, ours, strict=True))
    verdict = "alike" if apart <= _ALIKE_INTENSITY else f"up to {apart:.2f} of the range apart"
    return f"{name} (5 / 50 / 95 %): {numbers[0]}, target {numbers[1]}, {verdict}."


def _intensities(
    cases: Sequence[PreparedCase],
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Quantiles of the first channel inside the organs and in their whole slices."""
    inside, everywhere = [], []
    for case in cases:
        for z in case.organ_slices:
            image = np.asarray(case.image[z, 0], dtype=np.float32)
            inside.append(image[(case.masks[z] == 1).any(axis=0)])
            everywhere.append(image[::_EVERY_PIXEL, ::_EVERY_PIXEL].ravel())
    return _three(inside), _three(everywhere)


def _three(values: Sequence[NDArray[np.float32]]) -> tuple[float, float, float]:
    if not values:
        return (0.0, 0.0, 0.0)
    low, middle, high = (float(value) for value in np.quantile(np.concatenate(values), _QUANTILES))
    return low, middle, high
