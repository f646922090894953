"""`seg transfer`: a training that starts from what another model knows, told as settings of `train`."""

from rich.console import Console

from seg.config import Settings
from seg.errors import UsageError
from seg.recipes.guard import source_guard
from seg.recipes.source import find_origins
from seg.recipes.start import refuse_two_starts
from seg.recipes.together import own_console
from seg.recipes.train import train
from seg.recipes.via import refuse_bad_way, transfer_via
from seg.runs import Run


def transfer(
    settings: Settings, *, dry_run: bool = False, console: Console | None = None, new: bool = False
) -> Run | None:
    """Train the target's organs from the sources of the settings, and judge the model like any other.

    The run keeps the folders of its sources, not the words a person gave: a resume must not start from another run
    only because that became the best one of its organ. Where the guard finds that they hurt, it is the run of a
    training without them, and its manifest says so.
    """
    if not settings.transfer.source:
        raise UsageError(
            found="no source", expected="an organ, a run, a weight file, imagenet or none",
            fix="name one: seg transfer --from liver --to pancreas", code="no-source",
        )  # fmt: skip
    found = with_found_sources(settings)
    refuse_bad_way(found)
    if found.transfer.via:
        return transfer_via(found, dry_run=dry_run, console=console, new=new)
    guard = source_guard(found, own_console(console))
    return train(found, dry_run=dry_run, console=console, new=new, guard=guard)


def with_found_sources(settings: Settings) -> Settings:
    """The settings with every source written as the folder or file it was found at; UsageError for two starts."""
    origins = find_origins(settings)
    refuse_two_starts(settings, origins)
    places = tuple(origin.place for origin in origins)
    return settings.model_copy(update={"transfer": settings.transfer.model_copy(update={"source": places})})
