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
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(path: Path, needed_bytes: int = 0) -> Iterator[Path]:
    """A temporary folder beside `path`; it becomes `path`, synced to disk, when the block ends well.

    An existing `path` is replaced only after the new one is complete. Where it cannot be written, ResourceError also
    says how much was needed.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}"[:200])
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for inner in sorted(temporary.rglob("*")):
            sync(inner)
        sync(temporary)
        _swap(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error, needed_bytes) from error
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


def put_link(source: Path, place: Path) -> None:
    """Make `place` the file `source` under a second name, or a copy where the file system has no such names."""
    with atomic_file(place) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that, whenever it is looked at, it is whole or not there."""
    gone = folder.with_name(f"{TEMPORARY}old-{uuid.uuid4().hex[:12]}")
    with suppress(OSError):
        os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def require_writable(folder: Path) -> None:
    """Raise ResourceError where no file can be made in `folder`, or in the nearest one above that is there."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    probe = existing / f"{TEMPORARY}{uuid.uuid4().hex[:12]}"
    try:
        probe.write_bytes(b"0")
        sync(probe)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        with suppress(OSError):
            probe.unlink()


def cannot_write(path: Path, error: OSError, needed_bytes: int = 0) -> ResourceError:
    """The error of a failed write, with what is free on that disk."""
    existing = next((parent for parent in (path, *path.parents) if parent.exists()), Path("/"))
    free_mb = shutil.disk_usage(existing).free / 1e6
    return ResourceError(
        found=f"{error.strerror or error} ({free_mb:.0f} MB free)",
        expected="a folder that can be written and has room"
        + (f" for {needed_bytes / 1e6:.0f} MB" * bool(needed_bytes)),
        fix="free some disk or choose another folder",
        path=path,
        code="cannot-write",
    )


def sync(path: Path) -> None:
    """Return when a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
