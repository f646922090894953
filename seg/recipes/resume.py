"""`seg train --resume`: a run goes on by the story of its own verb."""

from pathlib import Path

from seg.errors import CheckpointError
from seg.lock import holder
from seg.recipes.pretrain import VERB as PRETRAIN
from seg.recipes.pretrain import pretrain
from seg.recipes.probe import refuse_probe
from seg.recipes.scans_place import settings_in_place
from seg.recipes.source import find_origins
from seg.recipes.source_place import refuse_other_source, with_sources_in_place
from seg.recipes.train import train
from seg.runs import Run, list_runs


def resume(run: Run, *, dry_run: bool = False) -> Run | None:
    """Go on with a run under its own settings; UsageError for one that only its own command goes on with."""
    refuse_probe(run)
    settings = with_sources_in_place(run, settings_in_place(run))
    refuse_other_source(run, find_origins(settings))
    recipe = pretrain if run.manifest().verb == PRETRAIN else train
    return recipe(settings, dry_run=dry_run, resume=run)


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
    raise CheckpointError(
        found=f"no run to go on with in {folder}: {', '.join(told[:_SHOWN]) or 'no run at all'}",
        expected="one that is neither finished nor at work",
        fix="name a run: seg train --resume RUN, or where runs are: --runs FOLDER", code="nothing-unfinished",
    )  # fmt: skip


_ENDED = ("finished", "unreadable")
_SHOWN = 8


def _state(run: Run) -> str:
    try:
        return run.manifest().state
    except CheckpointError:
        return "unreadable"
