"""What every scan is turned into before the network sees it; saved with the weights, because they belong together."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seg.config import Organ, Prepare
from seg.data.fingerprint import Fingerprint
from seg.errors import DataError, UsageError

_SIDES_PX = (8, 20_000)
"""Longest sides of a slice on the network's grid that can be meant."""

_UNSIGNED_MAXIMA = (255.0, 65535.0)

Kind = Literal["window", "percentiles", "zscore", "range"]


@dataclass(frozen=True)
class Intensity:
    """How one channel's intensities come to lie in about 0 to 1."""

    kind: Kind
    low: float
    high: float
    """Intensities that become 0 and 1; for zscore they are standard deviations around the case's own mean."""


@dataclass(frozen=True)
class Plan:
    """The network's grid, intensities and label values."""

    organs: tuple[str, ...]
    organ_values: tuple[int, ...]
    """Label value that predictions carry, per organ."""
    spacing: float
    """In-plane distance of the network's pixels, the same along y and x."""
    unit: Literal["mm", "px"]
    """`px`: the scans do not say their spacing, so `spacing` counts their own pixels."""
    size_px: int
    """Side of the training square."""
    neighbours: int
    """Slices stacked on each side; a lone slice is repeated instead."""
    intensities: tuple[Intensity, ...]
    """One per channel of a case."""

    @property
    def input_channels(self) -> int:
        """Channels of the network's input."""
        return len(self.intensities) * (2 * self.neighbours + 1)

    def plane_shape(self, shape_yx: tuple[int, int], spacing_yx: tuple[float, float] | None) -> tuple[int, int]:
        """(y, x) of a slice on the network's grid; DataError where only one of plan and scan knows millimetres."""
        if (self.unit == "mm") != (spacing_yx is not None):
            has = "says its spacing in mm" if spacing_yx else "does not say its spacing"
            raise DataError(
                found=f"a scan that {has}", expected=f"a scan like the training scans, planned in {self.unit}",
                fix="give data.spacing_mm=[y,x] for pictures, or use a run trained on such scans", code="spacing-unit",
            )  # fmt: skip
        spacing_y, spacing_x = spacing_yx or (1.0, 1.0)
        height, width = (
            max(1, round(n * spacing / self.spacing))
            for n, spacing in zip(shape_yx, (spacing_y, spacing_x), strict=True)
        )
        return height, width


def make_plan(
    fingerprint: Fingerprint, organs: Sequence[Organ], organ_values: Sequence[int], settings: Prepare
) -> Plan:
    """The plan that fits the fingerprint of the training cases."""
    return Plan(
        organs=tuple(organ.name for organ in organs),
        organ_values=tuple(organ_values),
        spacing=_spacing(fingerprint, settings),
        unit=fingerprint.unit,
        size_px=settings.size_px,
        neighbours=settings.neighbours,
        intensities=tuple(
            _intensity(channel, fingerprint, organs, settings) for channel in range(len(fingerprint.modalities))
        ),
    )


def _spacing(fingerprint: Fingerprint, settings: Prepare) -> float:
    native = float(np.median([min(spacing) for spacing in fingerprint.spacings_yx]))
    if settings.spacing == "native":
        return native
    if settings.spacing != "auto":
        _refuse_absurd(float(settings.spacing), fingerprint)
        return float(settings.spacing)
    sides = [
        max(n * step for n, step in zip(shape, spacing, strict=True))
        for shape, spacing in zip(fingerprint.shapes_yx, fingerprint.spacings_yx, strict=True)
    ]
    return max(native, round(float(np.median(sides)) / settings.size_px, 4))


def _refuse_absurd(spacing: float, fingerprint: Fingerprint) -> None:
    """UsageError where slices would come to a handful of pixels, or to more than fit into memory."""
    for shape, steps in zip(fingerprint.shapes_yx, fingerprint.spacings_yx, strict=True):
        side = max(n * step / spacing for n, step in zip(shape, steps, strict=True))
        if not _SIDES_PX[0] <= side <= _SIDES_PX[1]:
            raise UsageError(
                found=f"prepare.spacing={spacing:g}, which makes slices of {side:.3g} pixels",
                expected=f"slices of {_SIDES_PX[0]} to {_SIDES_PX[1]} pixels", code="bad-value",
                fix=f"give prepare.spacing in {fingerprint.unit} per pixel, or leave it at auto",
            )  # fmt: skip


def _intensity(channel: int, fingerprint: Fingerprint, organs: Sequence[Organ], settings: Prepare) -> Intensity:
    modality = fingerprint.modalities[channel]
    by_modality: dict[str, Kind] = {"ct": "window", "mr": "zscore", "picture": "range"}
    kind: Kind = by_modality[modality] if settings.intensity == "auto" else settings.intensity
    if kind == "window":
        low, high = settings.window_hu or _joint_window(organs)
        return Intensity(kind, low, high)
    if kind == "percentiles":
        return Intensity(kind, *fingerprint.foreground_percentiles[channel])
    if kind == "zscore":
        return Intensity(kind, -3.0, 3.0)
    if fingerprint.type_maximum[channel] not in _UNSIGNED_MAXIMA:
        raise UsageError(
            found="prepare.intensity=range for scans that are not 8 or 16 bit unsigned",
            expected="window, percentiles or zscore for them", fix="choose one, or prepare.intensity=auto",
            code="intensity-range",
        )  # fmt: skip
    return Intensity(kind, 0.0, fingerprint.type_maximum[channel])


def _joint_window(organs: Sequence[Organ]) -> tuple[float, float]:
    return min(organ.window_hu[0] for organ in organs), max(organ.window_hu[1] for organ in organs)


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON text, keys in a fixed order, so that equal plans are equal texts."""
    return json.dumps(dataclasses.asdict(plan), sort_keys=True, allow_nan=False)


def plan_from_json(text: str) -> Plan:
    """The plan that `plan_to_json` wrote."""
    raw: dict[str, Any] = json.loads(text)
    raw["intensities"] = tuple(Intensity(**one) for one in raw["intensities"])
    return Plan(**{**raw, "organs": tuple(raw["organs"]), "organ_values": tuple(raw["organ_values"])})
