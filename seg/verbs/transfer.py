"""`seg transfer`: an organ with few labels, from what another model knows."""

from typing import Annotated

import typer

from seg import api
from seg.app import Config, Debug, New, ShowConfig, Words, app
from seg.command import ExplainsSettings
from seg.console import print_run


@app.command(cls=ExplainsSettings)
def transfer(
    source: Annotated[
        list[str],
        typer.Option("--from", metavar="SOURCE,...", help="An organ, a run, a folder, a weight file, imagenet, none."),
    ],
    target: Annotated[str, typer.Option("--to", metavar="ORGAN", help="The organ with few labels (seg list organs).")],
    words: Words = None,
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy", metavar="NAME,...", help="What moves and how (seg list strategies), or auto: as advised."
        ),
    ] = "",
    via: Annotated[str, typer.Option("--via", metavar="ORGAN,...", help="Organs to go through on the way.")] = "",
    config: Config = None,
    show_config: ShowConfig = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check source, data, model and one batch; print the plan.")
    ] = False,
    new: New = False,
    no_guard: Annotated[
        bool, typer.Option("--no-guard", help="Do not try first whether the source hurts (transfer.guard=false).")
    ] = False,
    debug: Debug = False,
) -> None:
    """Train an organ with few labels from what another model knows.

    The model is scored like any other; the report also says what was moved. `seg train --resume` goes on with it. Where
    short trainings show first that the source hurts, the run is trained without it and the command ends with 8.
    """
    guard = not no_guard
    if show_config:
        from seg.overrides import to_yaml

        chosen = api.transfer_words(source, target, words or (), strategy, via, guard=guard)
        typer.echo(to_yaml(api.transfer_settings(chosen, config or ())), nl=False)
        return
    given, files = words or (), config or ()
    run = api.transfer(
        source, target, given, strategy=strategy, via=via, config=files, dry_run=dry_run, new=new, guard=guard
    )
    if run is not None:
        raise typer.Exit(print_run(run))
