"""Bytes count as written when the disk, not the memory in front of it, gave them back."""

import hashlib
import os
import sys
from pathlib import Path

from seg.atomic import sync
from seg.errors import CheckpointError


def write_bytes(path: Path, content: bytes) -> str:
    """Write a file, synced to disk, compare what the disk gives back, and return its sha256.

    Raises OSError where it cannot be written and CheckpointError where the disk gives back something else.
    """
    path.write_bytes(content)
    sync(path)
    forget(path)
    if path.read_bytes() != content:
        raise other_bytes(path)
    return hashlib.sha256(content).hexdigest()


def forget(path: Path) -> None:
    """Drop a synced file from memory, so that it is read from the disk the next time."""
    if sys.platform == "linux":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def other_bytes(path: Path, where: str = "") -> CheckpointError:
    """The error of a disk that gives back something else than it was given."""
    return CheckpointError(
        found="other bytes than were written" + (f", in {where}" if where else ""),
        expected="a disk that keeps what it is given", fix="check the disk, or choose another folder", path=path,
        code="disk-changes-bytes",
    )  # fmt: skip
