"""What a NIfTI header says, and whether it can be true, before a single voxel is read."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from seg.data.geometry import corner_displacement, usable_affine
from seg.errors import DataError
from seg.types import Affine

HEAD_BYTES = 540
"""A NIfTI-2 header, the longer of the two."""
MAX_VOXELS = 1_500_000_000
"""About ten times a 512 x 512 x 600 scan; more is taken for damage and would not fit the memory anyway."""
MAX_OFFSET = 16 << 20
"""Header extensions longer than this are taken for damage."""
AGREEMENT_VOXELS = 0.1
"""sform and qform may place the corners of the scan so far apart."""
AGREEMENT_SPACING = 0.01
"""Share by which the voxel size may differ from that of a lone sform."""
SCALE_LIMIT = 1e6
"""Larger scaling is taken for damage."""

_SIZES = {348: (nib.Nifti1Header, b"n+1\0", b"ni1\0"), 540: (nib.Nifti2Header, b"n+2\0", b"ni2\0")}
_GREY = frozenset("biuf")
_UNIT_BITS = 7
_MILLIMETRES = (0, 2)
_LAST_CODE = 5
_FIX = "export the scan again"


@dataclass(frozen=True)
class Header:
    """The believable part of a NIfTI header."""

    raw: bytes
    """As in the file: 348 or 540 bytes."""
    fields: Any
    """nibabel's view of it, for writing a file with the same header."""
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    """In the file's byte order."""
    offset: int
    """Where the voxels begin."""
    slope: float
    intercept: float
    thickness_assumed: bool
    """A two-dimensional file without a slice thickness, taken as 1 mm."""

    @property
    def size(self) -> int:
        """Bytes of the whole file, unpacked."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    @property
    def scaled(self) -> bool:
        """Whether stored numbers and meant numbers differ."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def parse_header(head: bytes) -> Header:
    """The header at the start of an unpacked NIfTI file; everything that decides about memory is checked here.

    Raises:
        DataError: naming the field that cannot be true.
    """
    raw, fields = _fields(head)
    shape, flat = _shape(fields)
    dtype = _dtype(fields)
    slope, intercept = _scaling(fields)
    _check_units(fields)
    thickness_assumed = flat and float(fields["pixdim"][3]) == 0.0
    if thickness_assumed:
        fields["pixdim"][3] = 1.0
    return Header(raw, fields, shape, dtype, _offset(fields, len(raw)), slope, intercept, thickness_assumed)


def affine_of(header: Header, trust: Literal["sform", "qform"] | None) -> tuple[Affine, tuple[str, ...]]:
    """The one affine that the header means, with a note on everything that was tolerated.

    `trust` decides only where sform, qform and voxel size contradict each other.

    Raises:
        DataError: when both forms are unset, when they differ by more than 0.1 voxel and `trust` is None, or when
            the voxel size contradicts the sform.
    """
    pixdim = np.asarray(header.fields["pixdim"][1:4], dtype=np.float64)
    if not np.isfinite(pixdim).all() or (pixdim <= 0).any():
        raise _refuse("spacing", f"voxel size {pixdim.tolist()} mm", "three finite sizes above 0 mm")
    known = {name: affine for name in ("sform", "qform") if (affine := _form(header.fields, name)) is not None}
    if not known:
        raise DataError(
            found="sform and qform codes that are both 0, so that nobody knows left from right",
            expected="at least one code above 0", fix="export the scan again, with its orientation",
            code="no-orientation",
        )  # fmt: skip
    checked = {name: usable_affine(affine, header.shape) for name, affine in known.items()}
    chosen = trust if trust in checked else next(iter(checked))
    affine, notes = checked[chosen]
    if header.thickness_assumed:
        notes = (*notes, "the slice has no thickness; 1 mm was assumed")
    problem = _contradiction({name: affine for name, (affine, _) in checked.items()}, pixdim, header.shape)
    if not problem:
        return affine, notes
    if trust in checked:
        return affine, (*notes, f"{problem}; the {trust} was believed, as data.trust says")
    raise DataError(
        found=problem,
        expected=f"one geometry, to {AGREEMENT_VOXELS} voxels",
        fix=f"find out which is right, then set data.trust={' or data.trust='.join(checked)}",
        code="forms-disagree",
    )


def _fields(head: bytes) -> tuple[bytes, Any]:
    for order in ("<", ">"):
        size = int.from_bytes(head[:4], "little" if order == "<" else "big")
        if size not in _SIZES or len(head) < size:
            continue
        kind, single, pair = _SIZES[size]
        fields = kind(binaryblock=head[:size], endianness=order, check=False)
        magic = head[344:348] if size == 348 else head[4:8]
        if magic == single:
            return head[:size], fields
        if magic == pair:
            raise DataError(
                found="half of a .hdr/.img pair", expected="header and voxels in one file (magic n+1 or n+2)",
                fix="convert the pair to .nii.gz", code="nifti-pair",
            )  # fmt: skip
    raise DataError(
        found=f"no NIfTI header: the file begins with {head[:8]!r}",
        expected="a header of 348 or 540 bytes with magic n+1 or n+2", fix=_FIX + " as .nii.gz", code="not-nifti",
    )  # fmt: skip


def _refuse(code: str, found: str, expected: str) -> DataError:
    return DataError(found=found, expected=expected, fix=f"the header is damaged: {_FIX}", code=code)


def _shape(fields: Any) -> tuple[tuple[int, int, int], bool]:
    """Shape in three dimensions, and whether the file declares only two."""
    axes, *sides = (int(side) for side in fields["dim"])
    if not 1 <= axes <= 7 or min(sides[:axes]) < 1:
        raise _refuse("dimensions", f"dimensions {[axes, *sides]}", "2 to 7 axes of at least one voxel")
    if axes < 2 or math.prod(sides[3:axes]) > 1:
        raise DataError(
            found=f"a scan of shape {tuple(sides[:axes])}",
            expected="three axes (or two, for one slice)",
            fix="give every time point or channel a file of its own, such as <case>_0000.nii.gz, <case>_0001.nii.gz",
            code="not-3d",
        )
    shape = (sides[0], sides[1], sides[2] if axes > 2 else 1)
    if math.prod(shape) > MAX_VOXELS:
        raise DataError(
            found=f"{math.prod(shape)} voxels (shape {shape})", expected=f"at most {MAX_VOXELS}",
            fix="crop or resample the scan; if it is smaller than that, its header is damaged", code="too-large",
        )  # fmt: skip
    return shape, axes == 2


def _dtype(fields: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = fields.get_data_dtype()
        fits = int(fields["bitpix"]) == dtype.itemsize * 8 > 0
    except (HeaderDataError, KeyError, ValueError, TypeError):
        raise _refuse("data-type", f"data type code {int(fields['datatype'])}", "a type that NIfTI knows") from None
    if dtype.itemsize and (dtype.kind not in _GREY or dtype.itemsize > 8):
        raise DataError(
            found=f"{'colour' if dtype.kind == 'V' else str(dtype)} voxels", expected="one plain number per voxel",
            fix="convert the scan to int16, uint8 or float32 and one value per voxel", code="voxel-type",
        )  # fmt: skip
    if not fits:
        raise _refuse("data-type", f"{int(fields['bitpix'])} bits per voxel of type {dtype}", "bits that fit the type")
    return dtype


def _scaling(fields: Any) -> tuple[float, float]:
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0.0 or math.isnan(slope):
        return 1.0, 0.0
    if not 1e-12 < abs(slope) <= SCALE_LIMIT or not abs(intercept) <= SCALE_LIMIT:
        raise _refuse("scaling", f"scl_slope {slope} and scl_inter {intercept}", f"finite numbers up to {SCALE_LIMIT}")
    return slope, intercept


def _check_units(fields: Any) -> None:
    unit = int(fields["xyzt_units"]) & _UNIT_BITS
    if unit not in _MILLIMETRES:
        name = {1: "metres", 3: "micrometres"}.get(unit, f"a unit with the unknown code {unit}")
        raise _refuse("units", f"sizes in {name}", "millimetres (xyzt_units 2)")


def _offset(fields: Any, header_bytes: int) -> int:
    offset = float(fields["vox_offset"])
    if not header_bytes + 4 <= offset <= MAX_OFFSET or offset != int(offset):
        raise _refuse("offset", f"vox_offset {offset}", f"a whole number from {header_bytes + 4} to {MAX_OFFSET}")
    return int(offset)


def _form(fields: Any, name: str) -> Affine | None:
    code = int(fields[f"{name}_code"])
    if code == 0:
        return None
    if not 0 < code <= _LAST_CODE:
        raise _refuse("form-code", f"{name}_code {code}", f"a code from 0 to {_LAST_CODE}")
    try:
        affine = fields.get_sform() if name == "sform" else fields.get_qform()
    except (ValueError, HeaderDataError) as error:
        raise _refuse("qform", f"a qform that is no rotation ({error})", "a unit quaternion") from None
    return np.asarray(affine, dtype=np.float64)


def _contradiction(known: dict[str, Affine], pixdim: Any, shape: tuple[int, int, int]) -> str:
    if len(known) == 2:
        distance = corner_displacement(known["sform"], known["qform"], shape)
        if distance > AGREEMENT_VOXELS:
            return f"sform and qform that place the scan's corners up to {distance:.2f} voxels apart"
    elif "sform" in known:
        spacing = np.linalg.norm(known["sform"][:3, :3], axis=0)
        if float(np.abs(spacing / pixdim - 1.0).max()) > AGREEMENT_SPACING:
            return f"a voxel size of {pixdim.tolist()} mm beside an sform of {spacing.round(4).tolist()} mm"
    return ""
