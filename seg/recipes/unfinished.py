"""Which run a person means who wants to go on and names none."""

from pathlib import Path

from seg.errors import CheckpointError
from seg.lock import holder
from seg.runs import Run, list_runs

_ENDED = ("finished", "unreadable")
_SHOWN = 8


def newest_unfinished(folder: Path) -> Run:
    """The run below a runs folder that was begun last of those that are neither finished nor at work.

    Raises CheckpointError that says which runs there are.
    """
    told: list[str] = []
    for run in reversed(list_runs(folder)):
        process = holder(run.folder)
        state = f"in use by {process}" if process else _state(run)
        if state not in _ENDED and not process:
            return run
        told.append(f"{run.name} ({state})")
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    raise CheckpointError(
        found=f"nothing to go on with: {', '.join(told[:_SHOWN]) or 'no run'}{more}",
        expected="a run that is neither finished nor at work", path=folder,
        fix="name a run: seg train --resume RUN; or the folder of the runs: --runs FOLDER", code="nothing-unfinished",
    )  # fmt: skip


def _state(run: Run) -> str:
    try:
        return run.manifest().state
    except CheckpointError:
        return "unreadable"
