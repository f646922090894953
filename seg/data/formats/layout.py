"""The contract of a layout on disk: every file beside this one offers one as `LAYOUT`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seg.config import Data
from seg.records import DataSet


@dataclass(frozen=True)
class Layout:
    """How one arrangement of files is told from the others, and which cases lie in it.

    `recognise` and `find` look at file names and small JSON files and read no voxels. The root may be a single file.
    """

    title: str
    """What a person calls it."""
    looks_like: str
    """One line: what is expected on disk."""
    recognise: Callable[[Path], bool]
    """True where the root is arranged this way; a declaration that cannot be read raises DataError."""
    find: Callable[[Path, Data], DataSet]
    """The cases below the root, all paths absolute; a path may name a file that is missing, which the check reports."""
