"""Read and write two-dimensional grey pictures: PNG, JPEG, TIFF."""

import io
import stat
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from seg.atomic import atomic_file
from seg.data.files.file_kind import name_it
from seg.data.files.png_chunks import png_pixel_type
from seg.errors import DataError, SegError
from seg.types import AnyArray

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
MAX_PIXELS = 100_000_000
"""A side of 10,000 px; more is taken for damage or for a whole-slide picture."""
MAX_FILE_BYTES = 1 << 30

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
_ORIENTATION_TAG = 274
_GREY_MODES = ("1", "L", "I;16", "I;16B", "I;16L", "I")
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
    struct.error, RuntimeError, ZeroDivisionError,
)  # fmt: skip


def read_picture(path: Path, *, labels: bool = False) -> AnyArray:
    """The picture's (y, x) numbers as stored, in uint8 or uint16; row 0 is the upper one.

    Three equal colour channels and an opaque alpha channel are collapsed to one grey channel. Palette pictures give
    their indices when they are labels and their grey otherwise. PNG chunks must have their right CRC; JPEG and TIFF
    carry no checksum, so that changed pixels cannot be noticed there.

    Raises:
        DataError: for everything that is wrong with the file, with a `code` and the path.
    """
    try:
        return _read(path, labels)
    except SegError as error:
        raise DataError(found=error.found, expected=error.expected, fix=error.fix, path=path, code=error.code) from None
    except OSError as error:
        raise DataError(
            found=error.strerror or str(error), expected="a file that can be read",
            fix="check the path and its permissions", path=path, code="cannot-open",
        ) from None  # fmt: skip


def write_picture(path: Path, array: AnyArray) -> None:
    """Write (y, x) numbers of uint8 or uint16 as PNG, completely or not at all.

    Raises:
        ResourceError: when the disk is full or the folder cannot be written.
    """
    if array.ndim != 2 or array.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{array.dtype} of shape {array.shape} is no grey picture")
    with atomic_file(path) as temporary:
        Image.fromarray(np.ascontiguousarray(array)).save(temporary, format="PNG")


def _read(path: Path, labels: bool) -> AnyArray:
    data = _bytes(path)
    kind = _format(path, data)
    if kind == "JPEG" and labels:
        raise DataError(
            found="labels in a JPEG, which changes pixel values", expected="labels in PNG or TIFF",
            fix="write the labels again, from their source, as PNG", code="lossy-label",
        )  # fmt: skip
    depth, depth_fits = png_pixel_type(data) if kind == "PNG" else (8, True)
    if not depth_fits:
        raise _colour("16-bit colour")
    picture = _decoded(data, kind)
    grey = _grey(picture, labels)
    # Pillow stretches grey of 2 and 4 bits to 0..255; labels need the numbers as stored.
    return grey // (255 // (2**depth - 1)) if depth in (2, 4) and picture.mode == "L" else grey


def _bytes(path: Path) -> bytes:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise DataError(found="no regular file", expected="a picture", fix="check the path", code="not-a-file")
    if about.st_size > MAX_FILE_BYTES:
        raise DataError(
            found=f"{about.st_size / 1e9:.1f} GB", expected="a picture of at most 1 GB", fix="crop it", code="too-large"
        )
    return path.read_bytes()


def _format(path: Path, data: bytes) -> str:
    """The format that the name says, which must be the one that the bytes say."""
    kind = _FORMATS.get(path.suffix.lower(), "")
    magic = {"PNG": (b"\x89PNG\r\n\x1a\n",), "JPEG": (b"\xff\xd8\xff",), "TIFF": (b"II*\0", b"MM\0*")}
    if not kind:
        raise DataError(
            found=f"a file ending in {path.suffix!r}", expected=f"one of {', '.join(EXTENSIONS)}",
            fix="convert it to PNG", code="wrong-extension",
        )  # fmt: skip
    if not data.startswith(magic[kind]):
        name_it(data[:256], f"a {kind} picture")
        raise DataError(
            found=f"a file that begins with {data[:8]!r}", expected=f"a {kind} picture",
            fix="export the picture again", code="not-a-picture",
        )  # fmt: skip
    return kind


def _decoded(data: bytes, kind: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Own limits are stricter, and what a plugin merely warns of is judged by its outcome.
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=[kind])
            _check_plain(picture)
            picture.load()
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise _too_large("more pixels than a picture has") from None
    except _BROKEN as error:
        raise DataError(
            found=f"a damaged {kind} picture ({' '.join(str(error).split())})", expected="a complete picture",
            fix="copy or export it again", code="damaged-picture",
        ) from None  # fmt: skip
    return picture


def _check_plain(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width} x {height} pixels")
    frames = getattr(picture, "n_frames", 1)
    if frames != 1:
        raise DataError(
            found=f"{frames} pages in one file", expected="one picture per file",
            fix="write every page as a file of its own, named {patient}_{slice}", code="many-pages",
        )  # fmt: skip
    turn = picture.getexif().get(_ORIENTATION_TAG, 1)
    if turn not in (0, 1):
        raise DataError(
            found=f"an orientation tag ({turn}) that turns the picture only in some viewers", expected="no such tag",
            fix="turn the pixels themselves and drop the tag, in image and label alike", code="orientation-tag",
        )  # fmt: skip


def _grey(picture: Image.Image, labels: bool) -> AnyArray:
    if picture.mode in _GREY_MODES:
        return _small(np.asarray(picture))
    if picture.mode == "P" and labels:
        return np.asarray(picture)
    if picture.mode in ("F", "CMYK", "YCbCr", "LAB", "HSV"):
        raise _colour(f"pixels of mode {picture.mode}")
    channels = np.asarray(picture.convert("RGBA"))
    if (channels[..., 3] != 255).any():
        raise DataError(
            found="pixels that are partly transparent", expected="opaque grey",
            fix="flatten the picture to grey without alpha", code="transparent",
        )  # fmt: skip
    if (channels[..., 0] != channels[..., 1]).any() or (channels[..., 0] != channels[..., 2]).any():
        raise _colour("true colours")
    return np.ascontiguousarray(channels[..., 0])


def _small(array: AnyArray) -> AnyArray:
    """uint8 or uint16, nothing changed."""
    if array.dtype.itemsize == 1:
        return array.astype(np.uint8)
    if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        raise _colour(f"numbers from {array.min()} to {array.max()}")
    return array.astype(np.uint16)


def _too_large(found: str) -> DataError:
    return DataError(
        found=found, expected=f"at most {MAX_PIXELS} pixels", fix="crop or shrink the picture", code="too-large"
    )


def _colour(found: str) -> DataError:
    return DataError(
        found=found, expected="grey of 8 or 16 bits, one number per pixel",
        fix="convert the picture to grey; labels drawn in colours need one number per structure", code="colour",
    )  # fmt: skip
