"""A folder in the hands of one process: a lock that dies with its process, and says whose it is."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seg.atomic import cannot_write
from seg.errors import ResourceError

NAME = ".lock"
"""Of the file that is locked; it stays, empty while nobody holds the folder."""
_WRITTEN_WITHIN_S = 1.0
"""How long a holder may take from the lock to its name in the file."""
_ASKED_WITHIN_S = 0.1
"""How long `holder` may take to let go of what it asked about."""

_held: set[int] = set()
"""Descriptors of the locks of this process."""


def _leave_to_parent() -> None:
    """A forked child shares its parent's lock, and would hold it after the parent's death."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


@contextmanager
def held(folder: Path) -> Iterator[str]:
    """Hold a folder alone; gives who held it last where that process died holding it, else an empty text.

    Raises ResourceError that names the process and machine which hold it, or says why nothing can be written there.
    """
    descriptor = _lock(folder / NAME)
    try:
        dead = os.pread(descriptor, 200, 0).decode(errors="replace")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    except OSError as error:
        os.close(descriptor)
        raise cannot_write(folder, error) from None
    _held.add(descriptor)
    try:
        yield dead
    finally:
        _release(descriptor)


def holder(folder: Path) -> str:
    """Which process holds a folder, such as `process 123 on machine`; empty where none does."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR)
    except OSError:
        return ""
    try:
        return "" if _taken(descriptor) else _name_in(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    """Whether the lock could be had; a moment is allowed for processes that only ask who holds it."""
    end = time.monotonic() + _ASKED_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        else:
            return True


def _lock(path: Path) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_write(path.parent, error) from None
        if not _taken(descriptor):
            found = _name_in(descriptor)
            os.close(descriptor)
            raise ResourceError(
                found=f"the run in use by {found}", expected="a run nobody writes to",
                fix="wait for it, or start a run of another name", path=path.parent, code="run-locked",
            )  # fmt: skip
        # A folder that was removed meanwhile, and perhaps made again, is not the one that this file lies in.
        with suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
        os.close(descriptor)


def _name_in(descriptor: int) -> str:
    end = time.monotonic() + _WRITTEN_WITHIN_S
    while not (name := os.pread(descriptor, 200, 0)) and time.monotonic() < end:
        time.sleep(0.01)
    return name.decode(errors="replace") or "another process"


def _release(descriptor: int) -> None:
    # In a forked child the lock is the parent's, and the descriptor is closed.
    if descriptor in _held:
        _held.discard(descriptor)
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)
