"""A piece of work that any process can do, and why one was not done."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg.errors import SegError

_ALLOWED = frozenset("-_.,+=@ ")
"""Beside letters and digits, in the name of a log file."""


@dataclass(frozen=True)
class Job:
    """A call whose result lies on disk alone.

    It is done again where it failed, so what it finds there from before it goes on with. Its own settings decide how
    many threads it computes with: no launcher changes that.
    """

    name: str
    """Of this job alone."""
    function: Callable[..., None]
    """At the top level of a module."""
    arguments: tuple[Any, ...] = ()
    """All of them can be pickled."""

    def log(self, folder: Path) -> Path:
        """The file below `folder` for what the job prints."""
        return folder / f"{''.join(each if each.isalnum() or each in _ALLOWED else '_' for each in self.name)}.log"


@dataclass(frozen=True)
class Failed:
    """A job that was tried twice and is not done."""

    job: Job
    reason: str
    """Of the first try, then of the second where it ended in another way."""


def why(error: BaseException) -> str:
    """The sentence of an error a person can mend, or the kind of another one and what it says."""
    return str(error) if isinstance(error, SegError) else f"{type(error).__name__}: {error}"
