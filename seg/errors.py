"""The errors a person can act on, and the exit code each of them ends the program with.

SegError
├── UsageError       2   a command, setting or name that cannot be meant
├── DataError        3   files that are broken, inconsistent or not what was said
├── ResourceError    4   memory, disk, permissions
├── CheckpointError  5   weights, runs and checkpoints that do not fit or do not verify
├── DeviceError      6   an accelerator that is missing or lost
└── TrainingError    7   a training that went wrong: a loss that is not finite

Every sentence is built from the same facts: where, what was found, what was expected, what to do.
130 and 143 (SIGINT, SIGTERM) are not errors of this tree, nor is 8: a finished run that its guard kept from negative
transfer, so that it is a model of the fallback and not of the transfer that was asked for.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HURT = 8
"""Exit code of a finished run that was trained without its source, since that hurt."""


class SegError(Exception):
    """Something a person can mend; abstract, raise one of its children."""

    exit_code = 1

    def __init__(self, *, found: str, expected: str, fix: str, path: str | Path | None = None, code: str = "") -> None:
        """`code` is the short stable name tests and scripts can match, such as `gzip-crc`."""
        self.found = found
        self.expected = expected
        self.fix = fix
        self.path = None if path is None else str(path)
        self.code = code
        super().__init__(self._sentence())

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled when a process that loads data sends its error to the one that trains.
        facts = {name: self.__dict__[name] for name in ("found", "expected", "fix", "path", "code")}
        return _again, (type(self), facts, self.__dict__.get("__notes__", []))

    def _sentence(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}found {self.found}; expected {self.expected}. To do: {self.fix}"


def _again(kind: type[SegError], facts: dict[str, str], notes: list[str]) -> SegError:
    error = kind(**facts)
    for note in notes:
        error.add_note(note)
    return error


class UsageError(SegError):
    """A command, setting or name that cannot be meant."""

    exit_code = 2


class DataError(SegError):
    """A file or data set that is broken, inconsistent or not what was said."""

    exit_code = 3


class ResourceError(SegError):
    """Too little memory or disk, or no permission."""

    exit_code = 4


class CheckpointError(SegError):
    """Weights, a run or a checkpoint that does not fit or does not verify."""

    exit_code = 5


class DeviceError(SegError):
    """An accelerator that is missing or was lost."""

    exit_code = 6


class TrainingError(SegError):
    """A training that cannot go on, such as a loss that is not finite."""

    exit_code = 7


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean ...?` for the closest known name, or an empty string where nothing is close."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {match[0]!r}?" if match else ""
