"""What the command line shows: tables, a line of progress, errors."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from seg.errors import HURT, SegError
from seg.processes import ignore_launcher, leads, process_count, process_number, several
from seg.progress import Progress, silent
from seg.records import Evaluation, Finding

if TYPE_CHECKING:
    from seg.runs import Run


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table as wide as the terminal; where nobody looks, one tab-separated line per row that a script can cut."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(_literal(cell) for cell in row))
    Console().print(table)


def _literal(cell: str) -> str:
    """Square brackets in file names are no markup, and control characters must not reach the terminal."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else "?" for letter in cell))


def progress_line(stage: str = "") -> Progress:
    """A listener that rewrites one line, which begins with `stage`, on a terminal, and stays silent elsewhere."""
    return _ProgressLine(stage) if sys.stderr.isatty() else silent


class _ProgressLine:
    """Shows `done/total what`, at most ten times a second."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._next_s = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        """Rewrite the line; the last one ends with a line feed."""
        now = time.monotonic()
        if now < self._next_s and done < total:
            return
        self._next_s = now + 0.1
        text = f"{self._stage}{done}/{total} {what}"[: shutil.get_terminal_size().columns - 1]
        print(f"\r\x1b[K{text}", end="\n" if done >= total else "", file=sys.stderr, flush=True)


def print_error(error: SegError) -> None:
    """Where, what was found, what was expected and what to do, on stderr."""
    where = f": {error.path}" if error.path else ""
    lines = (f"Error{where}", f"  found     {error.found}", f"  expected  {error.expected}", f"  to do     {error.fix}")
    print("\n".join(lines), file=sys.stderr)


def print_findings(findings: Sequence[Finding]) -> None:
    """What a check or a prediction found, the gravest first."""
    order = {"error": 0, "warning": 1, "note": 2}
    ordered = sorted(findings, key=lambda finding: order[finding.severity])
    columns = ("severity", "file", "found", "expected", "fix")
    print_table(columns, [(each.severity, each.path, each.found, each.expected, each.fix) for each in ordered])


def print_run(run: "Run") -> int:
    """How good a run's model is, and where it lies; returns the exit code that a command which made it ends with."""
    from seg.proof.guarded import guard_of

    scores, removed = run.evaluation(), run.removed_error()
    if scores is not None:
        print_scores(scores)
    elif removed is not None:
        print(f"Restoration removes {removed:.3f} of the squared error of damaged slices of new patients.")
    else:
        print("No patient was kept back, so nothing says how good this model is.")
    print(f"Run: {run.folder}")
    guarded = guard_of(run)
    if guarded is None or not guarded.hurt:
        return 0
    print(guarded.sentence())
    return HURT


def print_scores(evaluation: Evaluation) -> None:
    """One row per organ and metric."""
    from seg.report.tables import console_rows

    heading, *rows = console_rows(evaluation)
    print_table(heading, rows)


@contextmanager
def one_voice() -> Iterator[None]:
    """Of several processes let only the first one write to the standard output, and all end at once after a signal."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, nullcontext() if leads() else redirect_stdout(nowhere):
        try:
            yield
        except SystemExit as end:
            end_now(end.code if isinstance(end.code, int) else 1)
            raise


def end_now(exit_code: int) -> int:
    """End this process at once where there are others; returns the exit code elsewhere.

    An interpreter that ends the usual way takes seconds for its modules, and after a failure for others that do not
    answer any more. Launchers kill what takes longer than the first process that ended.
    """
    if several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    return exit_code


def told_elsewhere(error: Exception, exit_code: int) -> int | None:
    """The exit code of another process that failed before and said why; None where this one has to speak."""
    if not several():
        return None
    from seg.train.ranks import together

    ignore_launcher()
    try:
        first = together().first_failure(exit_code, str(error))
    except SegError:
        return None
    if first.number != process_number():
        return first.exit_code
    print(f"Process {first.number} of {process_count()}, on {socket.gethostname()}:", file=sys.stderr)
    return None
