"""The chunks of a PNG file, each verified by its CRC. Source: PNG specification (W3C, third edition), section 5."""

import struct
import zlib

from seg.errors import DataError

_SIGNATURE_BYTES = 8
_GREYS = (0, 3)
"""Colour types whose pixels are one number: grey and palette."""


def png_pixel_type(data: bytes) -> tuple[int, bool]:
    """Bits per sample, and whether Pillow reads them without loss; 16-bit colour would be cut to 8 bits.

    Bit depth is given as 8 for palettes, whose indices need no scaling.

    Raises:
        DataError: code `png-crc` or `png-truncated`, after every chunk was verified.
    """
    chunks = _chunks(data)
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise _broken("png-truncated", "a PNG without its header chunk")
    if chunks[-1][0] != b"IEND":
        raise _broken("png-truncated", "a PNG that ends before its last chunk")
    depth, colour_type = chunks[0][1][8], chunks[0][1][9]
    return (8 if colour_type == 3 else depth), depth <= 8 or colour_type in _GREYS


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    place = _SIGNATURE_BYTES
    while place < len(data):
        if place + 12 > len(data):
            raise _broken("png-truncated", "a PNG that ends inside a chunk")
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise _broken("png-truncated", "a PNG that ends inside a chunk")
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(data[place + 4 : end - 4]) != crc:
            raise _broken("png-crc", f"a damaged PNG: the CRC of its chunk {name!r} is wrong")
        found.append((name, data[place + 8 : end - 4] if name == b"IHDR" else b""))
        place = end
        if name == b"IEND" and place < len(data):
            raise _broken("png-trailing", f"{len(data) - place} bytes behind the end of the PNG")
    return found


def _broken(code: str, found: str) -> DataError:
    return DataError(found=found, expected="a complete PNG", fix="copy or export the picture again", code=code)
