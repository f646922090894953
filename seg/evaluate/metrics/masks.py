"""The contract of a metric: a `Metric` record named METRIC, which measures a `MaskPair`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from seg.errors import DataError
from seg.evaluate.surfaces import SurfaceDistances, image_diagonal, surface_axes, surface_distances
from seg.types import MaskVolume, SpacingMm

DistanceUnit = Literal["mm", "px"]

EMPTY_IS_ZERO = (
    "Both masks empty: undefined, left out of means and counted. One mask empty, or no prediction: 0 (the worst)."
)
EMPTY_IS_DIAGONAL = (
    "Both masks empty: undefined, left out of means and counted. One mask empty, or no prediction: the diagonal of the"
    " image. Lone slices: measured within each slice and pooled; the surface in a slice that shows only one mask counts"
    " with the diagonal of the slice."
)


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Prediction and reference of one organ in one case, (z, y, x); what metrics share is computed once and kept."""

    prediction: MaskVolume
    reference: MaskVolume
    spacing_mm: SpacingMm | None
    """None where it is unknown: distances are then in pixels."""
    tolerance_mm: float = 2.0
    """Surface distance that still counts as agreement; in pixels where the spacing is unknown."""
    contiguous: bool = True
    """False for lone slices: nothing is measured from one slice to the next."""
    missing: bool = False
    """True where there is no prediction at all: never undefined, but the worst value."""

    def __post_init__(self) -> None:
        """Refuse arrays that cannot be compared voxel by voxel."""
        if self.prediction.shape != self.reference.shape or self.reference.ndim != 3:
            raise DataError(
                found=f"a prediction of shape {self.prediction.shape} for a reference of shape {self.reference.shape}",
                expected="two masks of one shape (z, y, x)",
                fix="bring the prediction to the grid of the reference",
                code="mask-shape",
            )

    @property
    def distance_unit(self) -> DistanceUnit:
        """`px` where the spacing is unknown."""
        return "px" if self.spacing_mm is None else "mm"

    @cached_property
    def prediction_voxels(self) -> int:
        """Size of the prediction."""
        return int(np.count_nonzero(self.prediction))

    @cached_property
    def reference_voxels(self) -> int:
        """Size of the reference."""
        return int(np.count_nonzero(self.reference))

    @cached_property
    def shared_voxels(self) -> int:
        """True positives: voxels in both masks."""
        prediction, reference = self._cropped
        return int(np.count_nonzero(prediction & reference))

    @property
    def both_empty(self) -> bool:
        """Neither mask has a voxel."""
        return not self.prediction_voxels and not self.reference_voxels

    @property
    def one_empty(self) -> bool:
        """Exactly one mask has no voxel."""
        return bool(self.prediction_voxels) != bool(self.reference_voxels)

    @cached_property
    def diagonal(self) -> float:
        """Of the image (of one slice where slices are not contiguous): more than any distance in it."""
        return image_diagonal(self._shape, self._spacing, self.contiguous)

    @cached_property
    def distances(self) -> SurfaceDistances:
        """Between the two surfaces; neither mask may be empty."""
        axes = surface_axes(self._shape, self.contiguous)
        return surface_distances(*self._cropped, self._spacing, axes, self.diagonal)

    @property
    def _shape(self) -> tuple[int, int, int]:
        depth, height, width = self.reference.shape
        return depth, height, width

    @property
    def _spacing(self) -> SpacingMm:
        return self.spacing_mm or (1.0, 1.0, 1.0)

    @cached_property
    def _cropped(self) -> tuple[MaskVolume, MaskVolume]:
        """Both masks within the bounding box of their union: all that overlap and surfaces can see."""
        union = self.prediction | self.reference
        box: tuple[slice, ...] = ()
        for axis in range(3):
            filled = np.flatnonzero(union.any(axis=tuple(other for other in range(3) if other != axis)))
            extent = slice(int(filled[0]), int(filled[-1]) + 1) if len(filled) else slice(0, 0)
            box = (*box, extent)
            union = union[(slice(None),) * axis + (extent,)]
        return np.ascontiguousarray(self.prediction[box]), np.ascontiguousarray(self.reference[box])


@dataclass(frozen=True)
class Metric:
    """One way to compare two masks, with everything a reader of its numbers has to know."""

    title: str
    """What a report calls it."""
    kind: Literal["share", "distance", "volume"]
    """`share`: 0 to 1. `distance`: mm or px. `volume`: ml or px."""
    better: Literal["higher", "lower", "near zero"]
    """Which values are good."""
    symmetric: bool
    """True where prediction and reference may change places."""
    definition: str
    """Formula, unit and empty-mask rule; `{unit}` and `{tolerance}` are filled in by `define`."""
    measure: Callable[[MaskPair], float | None]
    """The value where neither mask is empty."""
    when_empty: Callable[[MaskPair], float | None]
    """The value where one mask is empty or the prediction is missing."""

    @property
    def best(self) -> float:
        """The value of a perfect prediction."""
        return 1.0 if self.kind == "share" else 0.0

    def value(self, pair: MaskPair) -> float | None:
        """The number for this pair; None where it is undefined."""
        if pair.missing or pair.one_empty:
            return self.when_empty(pair)
        return None if pair.both_empty else self.measure(pair)

    def unit(self, distance_unit: DistanceUnit) -> str:
        """`mm`, `ml` or `px`; empty for shares."""
        units = {"share": "", "distance": distance_unit, "volume": "ml" if distance_unit == "mm" else "px"}
        return units[self.kind]

    def define(self, distance_unit: DistanceUnit, tolerance: str) -> str:
        """The definition with its unit and tolerance, for a report."""
        return self.definition.format(unit=self.unit(distance_unit), distance_unit=distance_unit, tolerance=tolerance)


def zero(pair: MaskPair) -> float:
    """The worst share."""
    return 0.0


def diagonal(pair: MaskPair) -> float:
    """The worst distance: the diagonal of the image."""
    return pair.diagonal
