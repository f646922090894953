"""Stored numbers turned into meant numbers: scaling, gaps, whole-numbered labels."""

import numpy as np

from seg.errors import DataError
from seg.types import AnyArray

LABEL_TOLERANCE = 1e-3
"""How far a label may lie from a whole number; packing floats into scaled integers leaves such rests."""

_MAX_LABEL = 65535


def scaled(voxels: AnyArray, slope: float, intercept: float) -> AnyArray:
    """float32 of `voxels * slope + intercept`."""
    meant = voxels.astype(np.float32)
    meant *= np.float32(slope)
    meant += np.float32(intercept)
    return meant


def without_gaps(voxels: AnyArray, nan_to: float | None) -> tuple[AnyArray, tuple[str, ...]]:
    """Voxels that are all finite; `nan_to` stands in for the others, with a note.

    Raises:
        DataError: code `not-finite` with count and first index, when `nan_to` is None.
    """
    if voxels.dtype.kind != "f":
        return voxels, ()
    finite = np.isfinite(voxels)
    if finite.all():
        return voxels, ()
    count = int(finite.size - np.count_nonzero(finite))
    first = tuple(int(index[0]) for index in np.nonzero(~finite))
    if nan_to is None:
        raise DataError(
            found=f"{count} voxels that are NaN or infinite, the first at index {first}", expected="finite numbers",
            fix="mend the scan, or set data.nan_to=<value> to replace them", code="not-finite",
        )  # fmt: skip
    note = f"{count} voxels that were not finite became {nan_to:g}, as data.nan_to says"
    return np.where(finite, voxels, voxels.dtype.type(nan_to)), (note,)


def label_values(voxels: AnyArray) -> tuple[AnyArray, tuple[str, ...]]:
    """Labels in the smallest unsigned type that holds them; values within 1e-3 of whole numbers are rounded, and said.

    Raises:
        DataError: code `fractional-label`, `negative-label` or `label-range`.
    """
    notes: tuple[str, ...] = ()
    if voxels.dtype.kind == "f":
        whole = np.rint(voxels)
        rest = float(np.abs(voxels - whole).max())
        if rest > LABEL_TOLERANCE:
            odd = np.unique(voxels[np.abs(voxels - whole) > LABEL_TOLERANCE])
            raise DataError(
                found=f"{len(odd)} label values that are not whole, such as {float(odd[0]):g}",
                expected="whole numbers",
                fix="export the labels unscaled as uint8, and resample them with nearest neighbour",
                code="fractional-label",
            )
        if rest > 0:
            notes = (f"labels up to {rest:.1g} off a whole number were rounded",)
        voxels = whole
    low, high = voxels.min(), voxels.max()
    if low < 0:
        raise DataError(
            found=f"the negative label {int(low)}", expected="labels from 0 upwards",
            fix="export the labels as uint8; a signed type may have wrapped around", code="negative-label",
        )  # fmt: skip
    if high > _MAX_LABEL:
        raise DataError(
            found=f"the label {int(high)}", expected=f"labels up to {_MAX_LABEL}",
            fix="this looks like a scan, not like its labels: check which file is which", code="label-range",
        )  # fmt: skip
    return voxels.astype(np.min_scalar_type(int(high)), copy=False), notes
