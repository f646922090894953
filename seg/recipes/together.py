"""Recipes over several processes: what the first one does for all, and what they do one after the other.

A process that is alone imports nothing for it and calls straight through.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from seg.errors import ResourceError, SegError
from seg.runs import Run, locked

if TYPE_CHECKING:
    from rich.console import Console

Given = ParamSpec("Given")
Found = TypeVar("Found")


def several() -> bool:
    """Whether torchrun, or whoever sets its variables, started more than this process."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def leads() -> bool:
    """Whether this process writes the run's folder and speaks."""
    return not several() or os.environ.get("RANK", "0") == "0"


def by_first(what: str) -> Callable[[Callable[Given, Found]], Callable[Given, Found]]:
    """Make a function do its work in the first process alone; all return what it found, or raise what it raised."""

    def decorate(function: Callable[Given, Found]) -> Callable[Given, Found]:
        @wraps(function)
        def once(*args: Given.args, **kwargs: Given.kwargs) -> Found:
            if not several():
                return function(*args, **kwargs)
            from seg.train.ranks import current

            return current().same(what, lambda: function(*args, **kwargs))

        return once

    return decorate


def in_turn(what: str) -> Callable[[Callable[Given, Found]], Callable[Given, Found]]:
    """Make every process do a function's work itself, the first one before the others, for what it leaves in caches."""

    def decorate(function: Callable[Given, Found]) -> Callable[Given, Found]:
        @wraps(function)
        def after_the_first(*args: Given.args, **kwargs: Given.kwargs) -> Found:
            if not several():
                return function(*args, **kwargs)
            from seg.train.ranks import current

            return current().in_turn(what, lambda: function(*args, **kwargs))

        return after_the_first

    return decorate


@contextmanager
def held(run: Run) -> Iterator[None]:
    """The run's lock, in the first process; ResourceError where another process cannot see the run's folder."""
    if not run.folder.is_dir():
        raise ResourceError(
            found=f"no such folder on {socket.gethostname()}", expected="a folder that every machine sees",
            fix="put runs.folder and prepare.cache on a file system that the machines share", path=run.folder,
            code="run-not-shared",
        )  # fmt: skip
    with locked(run) if leads() else nullcontext():
        yield


def own_console(console: "Console | None") -> "Console":
    """Where the first process speaks; the others are silent."""
    from rich.console import Console

    return (console or Console()) if leads() else Console(quiet=True)


@contextmanager
def one_voice() -> Iterator[None]:
    """Let only the first process write to the standard output."""
    if leads():
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


def wait_for_end() -> None:
    """Wait for the others, undisturbed by the signals that a launcher sends once the first of them has ended."""
    if several():
        from seg.train.ranks import current

        ignore_signals()
        with suppress(SegError):
            current().meet("the end")


def ignore_signals() -> None:
    """From here on nothing but a kill keeps this process from its last words."""
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def told_elsewhere(error: Exception, exit_code: int) -> int | None:
    """The exit code of the process that failed first; None where it is this one, which then has to say why."""
    if not several():
        return None
    from seg.train.ranks import current

    ignore_signals()
    try:
        first = current().first_failure(exit_code, str(error))
    except SegError:
        return None
    if first.number != int(os.environ.get("RANK", "0")):
        return first.exit_code
    print(f"Process {first.number} of {os.environ['WORLD_SIZE']}, on {socket.gethostname()}:", file=sys.stderr)
    return None
