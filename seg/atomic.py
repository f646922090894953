"""A file or folder is written once, completely, or not at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seg.errors import ResourceError

TEMPORARY = ".tmp-"
"""How names of unfinished files and folders begin."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes its place, synced to disk, when the block ends well.

    Raises ResourceError where the disk is full or the folder cannot be written; nothing half-written stays behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}"[:200])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`; it becomes `path`, synced to disk, when the block ends well.

    An existing `path` is replaced only after the new one is complete.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}"[:200])
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for inner in sorted(temporary.rglob("*")):
            _sync(inner)
        _sync(temporary)
        _swap(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, place: Path) -> None:
    """Put `new` in its place; where two processes do so at once, one of the two complete folders stays."""
    replaced: list[Path] = []
    while True:
        try:
            os.rename(new, place)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        replaced.append(place.with_name(f"{TEMPORARY}old-{uuid.uuid4().hex[:12]}"))
        with suppress(FileNotFoundError):
            os.rename(place, replaced[-1])
    for old in replaced:
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, completely or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cannot_write(path: Path, error: OSError) -> ResourceError:
    """The error of a failed write, with what is free on that disk."""
    existing = next((parent for parent in (path, *path.parents) if parent.exists()), Path("/"))
    free_mb = shutil.disk_usage(existing).free / 1e6
    return ResourceError(
        found=f"{error.strerror or error} ({free_mb:.0f} MB free)",
        expected="a folder that can be written and has room",
        fix="free some disk or choose another folder",
        path=path,
        code="cannot-write",
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
