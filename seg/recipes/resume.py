"""`seg train --resume`: a run goes on by the story of its own verb."""

from seg.recipes.pretrain import VERB as PRETRAIN
from seg.recipes.pretrain import pretrain
from seg.recipes.probe import refuse_probe
from seg.recipes.scans_place import settings_in_place
from seg.recipes.train import train
from seg.runs import Run


def resume(run: Run, *, dry_run: bool = False) -> Run | None:
    """Go on with a run under its own settings; UsageError for one that only its own command goes on with."""
    refuse_probe(run)
    recipe = pretrain if run.manifest().verb == PRETRAIN else train
    return recipe(settings_in_place(run), dry_run=dry_run, resume=run)
