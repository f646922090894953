"""Recipes over several processes: what the first one does for all, and what they do one after the other.

A process that is alone imports nothing for it and calls straight through.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from seg.config import Settings
from seg.errors import SegError, UsageError
from seg.processes import ignore_launcher, leads, process_count, process_number, several
from seg.progress import Progress, silent
from seg.records import Case
from seg.runs import Run

if TYPE_CHECKING:
    from rich.console import Console

Given = ParamSpec("Given")
Found = TypeVar("Found")


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


def the_first_ones(settings: Settings, resume: Run | None) -> tuple[Settings, Run | None]:
    """What the first process was asked for: while another one looked, a run may have begun or ended."""
    return by_first("agreeing on what to do")(lambda: (settings, resume))()


def each_case(
    what: str, cases: Sequence[Case], work: Callable[[Case], Found], progress: Progress = silent
) -> list[Found]:
    """`work` of every case, in their order; each case is one process's, and all get all results."""
    own = cases[process_number() :: process_count()]

    def counted(case: Case) -> Found:
        found = work(case)
        progress(own.index(case) + 1, len(own), case.name)
        return found

    if not several():
        return [counted(case) for case in cases]
    from seg.train.ranks import current

    return current().each(what, cases, lambda case: case.name, counted)


def refuse_for_several(settings: Settings) -> None:
    """Raise UsageError where several processes cannot do what one could."""
    if not several():
        return
    train, count = settings.train, process_count()
    sizes = {
        "train.batch_size": train.batch_size,
        "train.unlabelled_batch_size": train.unlabelled_batch_size,
        "train.source_batch_size": train.source_batch_size,
    }
    for name, size in sizes.items():
        if size is not None and size % count:
            nearest = max(1, round(size / count)) * count
            raise UsageError(
                found=f"{name}={size} for {count} processes",
                expected=f"a multiple of {count}: each process takes an equal part of every batch",
                fix=f"use {name}={nearest}, or another number of processes", code="uneven-batch",
            )  # fmt: skip
    if train.compile:
        raise UsageError(
            found=f"train.compile=true for {count} processes", expected="a network that is not compiled",
            fix="use train.compile=false: norms look at all processes' slices, which a compiled network cannot",
            code="compiled-ranks",
        )  # fmt: skip


def own_console(console: "Console | None") -> "Console":
    """Where the first process speaks; the others are silent."""
    from rich.console import Console

    return (console or Console()) if leads() else Console(quiet=True)


def wait_for_end() -> None:
    """Wait for the others, so that none of them is ended for this one's exit code."""
    if several():
        from seg.train.ranks import current

        ignore_launcher()
        with suppress(SegError):
            current().meet("the end")
