"""`seg train --resume`: a run goes on by the story of its own verb."""

from rich.console import Console

from seg.recipes.pretrain import VERB as PRETRAIN
from seg.recipes.pretrain import pretrain
from seg.recipes.probe import refuse_probe
from seg.recipes.scans_place import settings_in_place
from seg.recipes.source_place import with_sources_in_place
from seg.recipes.together import own_console
from seg.recipes.train import train
from seg.runs import Run


def resume(run: Run, *, dry_run: bool = False, console: Console | None = None) -> Run | None:
    """Go on with a run under its own settings; UsageError for one that only its own command goes on with."""
    refuse_probe(run)
    console = own_console(console)
    console.print(f"Going on with {run.folder}", highlight=False, markup=False, soft_wrap=True)
    recipe = pretrain if run.manifest().verb == PRETRAIN else train
    settings = with_sources_in_place(run, settings_in_place(run))
    return recipe(settings, dry_run=dry_run, resume=run, console=console)
