"""Read and write NIfTI: one path in, with every check, and one path out."""

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from seg.atomic import atomic_file
from seg.data.files.file_kind import check_not_something_else
from seg.data.files.gzip_bytes import gunzip, gunzip_head, too_long, too_short
from seg.data.files.nifti_header import HEAD_BYTES, Header, affine_of, parse_header
from seg.data.files.voxel_values import label_values, scaled, without_gaps
from seg.data.geometry import Grid
from seg.errors import DataError, ResourceError, SegError
from seg.types import AnyArray

EXTENSIONS = (".nii", ".nii.gz")

_COMPRESSION = 2
_SLAB_BYTES = 16 << 20
_KEPT_FIELDS = (
    "dim", "pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scan:
    """One volume as its file holds it."""

    voxels: AnyArray
    """(i, j, k), in the file's type and native byte order, or float32 where the header scales."""
    grid: Grid
    header: bytes
    """The file's own header, for `write_nifti`; it may hold free text about the patient."""
    notes: tuple[str, ...] = ()
    """What was tolerated, in words."""


def read_nifti(
    path: Path, *, trust: Literal["sform", "qform"] | None = None, nan_to: float | None = None, labels: bool = False
) -> Scan:
    """Read .nii or .nii.gz, NIfTI 1 or 2, either byte order; a two-dimensional file is one slice.

    A packed file is unpacked completely, so that its CRC and length are verified; the file must be exactly as long as
    its header says. An uncompressed .nii carries no checksum: voxels that changed on disk cannot be noticed there.

    Args:
        path: the file.
        trust: which form to believe where sform, qform and voxel size contradict each other; None refuses.
        nan_to: stands in for voxels that are not finite; None refuses.
        labels: whole numbers of the smallest unsigned type come back; others are refused.

    Raises:
        DataError: for everything that is wrong with the file, with a `code` and the path.
        ResourceError: when the voxels do not fit the memory.
    """
    try:
        return _read(path, trust, nan_to, labels)
    except SegError as error:
        raise type(error)(
            found=error.found, expected=error.expected, fix=error.fix, path=path, code=error.code
        ) from None
    except OSError as error:
        raise DataError(
            found=error.strerror or str(error), expected="a file that can be read",
            fix="check the path and its permissions", path=path, code="cannot-open",
        ) from None  # fmt: skip


def _read(path: Path, trust: Literal["sform", "qform"] | None, nan_to: float | None, labels: bool) -> Scan:
    # A FIFO or device would block on opening.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DataError(found="no regular file", expected="a file", fix="check the path", code="not-a-file")
    with path.open("rb") as file:
        header, content = _content(file, path.name.lower().endswith(".gz"))
    affine, notes = affine_of(header, trust)
    flat = np.frombuffer(content, dtype=header.dtype, offset=header.offset)
    voxels = flat.reshape(header.shape, order="F")
    if not header.dtype.isnative:
        voxels = voxels.astype(header.dtype.newbyteorder("="))
    if header.scaled:
        voxels = scaled(voxels, header.slope, header.intercept)
    voxels, gaps = without_gaps(voxels, nan_to)
    if labels:
        voxels, rounded = label_values(voxels)
        notes = (*notes, *rounded)
    return Scan(voxels, Grid(header.shape, affine), header.raw, (*notes, *gaps))


def _content(file: BinaryIO, packed: bool) -> tuple[Header, NDArray[np.uint8]]:
    """Header and the whole unpacked file."""
    length = os.fstat(file.fileno()).st_size
    start = file.read(256)
    file.seek(0)
    check_not_something_else(start, packed)
    header = parse_header(gunzip_head(file, HEAD_BYTES) if packed else file.read(HEAD_BYTES))
    file.seek(0)
    try:
        return header, gunzip(file, length, header.size) if packed else _plain(file, length, header.size)
    except MemoryError:
        raise ResourceError(
            found=f"too little memory for {header.size / 1e9:.1f} GB of voxels", expected="room for the whole scan",
            fix="use a machine with more memory, or crop the scan", code="no-memory",
        ) from None  # fmt: skip


def _plain(file: BinaryIO, length: int, size: int) -> NDArray[np.uint8]:
    if length < size:
        raise too_short(f"{length} bytes", size)
    if length > size:
        raise too_long(f"{length} bytes", size)
    return np.fromfile(file, dtype=np.uint8, count=size)


def write_nifti(path: Path, voxels: AnyArray, like: Scan) -> None:
    """Write voxels on the grid of `like`, completely or not at all.

    Shape, voxel size, qform, sform, their codes and the units are those of `like`'s file, bit by bit; slope is 1.
    Free text and everything else of the header is left behind, as it may name the patient.

    Args:
        path: ends in .nii or .nii.gz.
        voxels: (i, j, k) of uint8, uint16, int16 or float32, in the shape of `like`.
        like: the scan that the voxels belong to.

    Raises:
        ResourceError: when the disk is full or the folder cannot be written.
    """
    if voxels.shape != like.grid.shape or voxels.dtype not in (np.uint8, np.uint16, np.int16, np.float32):
        raise ValueError(f"{voxels.dtype} of shape {voxels.shape} cannot be written on a grid of {like.grid.shape}")
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            # Neither time nor name goes into the stream: equal voxels make equal files.
            with igzip.IGzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0) as stream:
                _write(stream, voxels, like)
        else:
            _write(file, voxels, like)


def _write(file: Any, voxels: AnyArray, like: Scan) -> None:
    file.write(_new_header(voxels.dtype, like))
    # In slabs of k, the slowest axis on disk, so that no second copy of the volume is ever held.
    thickness = max(1, _SLAB_BYTES // max(1, voxels[:, :, 0].nbytes))
    for first in range(0, voxels.shape[2], thickness):
        slab = voxels[:, :, first : first + thickness]
        file.write(slab.astype(slab.dtype.newbyteorder("<"), copy=False).tobytes(order="F"))


def _new_header(dtype: np.dtype[Any], like: Scan) -> bytes:
    old = parse_header(like.header).fields
    new = type(old)(endianness="<", check=False)
    for name in _KEPT_FIELDS:
        new[name] = old[name]
    new.set_data_dtype(dtype)
    new["scl_slope"], new["scl_inter"] = 1.0, 0.0
    new["vox_offset"] = len(like.header) + 4
    stream = io.BytesIO()
    stream.write(new.binaryblock)
    stream.write(bytes(4))
    return stream.getvalue()
