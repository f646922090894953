"""The whole content of a gzip file, its CRC and length verified, into no more memory than allowed."""

from typing import Any, BinaryIO, cast

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from seg.errors import DataError

DEFLATE_LIMIT = 1032
"""No deflate stream grows more than this when it is unpacked. Source: zlib technical details, `Maximum expansion`."""
MAGIC = b"\x1f\x8b"

_GZIP_WINDOW = 16 + 15
_PIECE_BYTES = 1 << 16
# isal's stubs declare its exception class as an instance.
_STREAM_ERROR = cast(type[Exception], isal_zlib.error)


def gunzip_head(file: BinaryIO, size: int) -> bytes:
    """The first `size` unpacked bytes, unverified; fewer where the stream is shorter. The file is left at its start.

    Raises:
        DataError: code `gzip-crc` or `gzip-truncated`, when the stream breaks before.
    """
    packed = file.read(_PIECE_BYTES)
    file.seek(0)
    stream = _member()
    head = _unpack(stream, packed, size)
    if len(head) < size and not stream.eof and len(packed) < _PIECE_BYTES:
        raise _truncated(len(head))
    return head


def gunzip(file: BinaryIO, packed_size: int, size: int) -> NDArray[np.uint8]:
    """Exactly `size` unpacked bytes; every member's CRC-32 and length field is verified.

    Several members one after the other are one content, as gzip defines it; any other bytes behind the last member,
    even zeros, are refused. Memory is bounded by `size`, whatever the stream holds.

    Args:
        file: opened for reading, at its start.
        packed_size: the file's length in bytes.
        size: what the header announces.

    Raises:
        DataError: code `gzip-truncated`, `gzip-crc`, `gzip-trailing`, `too-short` or `too-long`.
    """
    if size > packed_size * DEFLATE_LIMIT:
        raise too_short(f"{packed_size} packed bytes, which can hold at most {packed_size * DEFLATE_LIMIT}", size)
    content = np.empty(size, dtype=np.uint8)
    filled = 0
    stream = _member()
    while piece := file.read(_PIECE_BYTES):
        while piece:
            if stream.eof:
                _check_next_member(piece)
                stream = _member()
            part = _unpack(stream, piece)
            if filled + len(part) > size:
                raise too_long(f"more than {size} bytes", size)
            content[filled : filled + len(part)] = np.frombuffer(part, dtype=np.uint8)
            filled += len(part)
            piece = bytes(stream.unused_data) if stream.eof else b""
    if not stream.eof:
        raise _truncated(filled)
    if filled < size:
        raise too_short(f"{filled} bytes unpacked", size)
    return content


def too_short(found: str, size: int) -> DataError:
    """The error of a content that ends before all announced voxels."""
    return DataError(
        found=found, expected=f"{size} bytes by the header's shape and data type",
        fix="copy or download the file again", code="too-short",
    )  # fmt: skip


def too_long(found: str, size: int) -> DataError:
    """The error of a content that goes on behind all announced voxels."""
    return DataError(
        found=found, expected=f"{size} bytes by the header's shape and data type",
        fix="the header or the file is damaged: export or download it again", code="too-long",
    )  # fmt: skip


def _member() -> Any:
    return isal_zlib.decompressobj(wbits=_GZIP_WINDOW)


def _unpack(stream: Any, piece: bytes, most: int = 0) -> bytes:
    try:
        return bytes(stream.decompress(piece, max_length=most))
    except _STREAM_ERROR as error:
        raise _broken(error) from None


def _check_next_member(rest: bytes) -> None:
    # A piece may end inside the two magic bytes; a lone first byte is then refused by the stream itself.
    if not rest.startswith(MAGIC[: len(rest)]):
        raise DataError(
            found="bytes that are not gzip behind the end of the gzip stream", expected="nothing behind it",
            fix="copy or download the file again", code="gzip-trailing",
        )  # fmt: skip


def _truncated(unpacked: int) -> DataError:
    return DataError(
        found=f"a gzip stream that ends in the middle, after {unpacked} bytes", expected="a complete file",
        fix="copy or download the file again", code="gzip-truncated",
    )  # fmt: skip


def _broken(error: Exception) -> DataError:
    return DataError(
        found=f"a damaged gzip stream ({' '.join(str(error).split())})",
        expected="a stream whose CRC-32 and length are right",
        fix="copy or download the file again",
        code="gzip-crc",
    )
