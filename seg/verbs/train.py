"""`seg train`: from scans to a scored model."""

from pathlib import Path
from typing import Annotated

import typer

from seg import api
from seg.app import Config, Debug, DryRun, New, Runs, ShowConfig, Words, app
from seg.command import GoesOn
from seg.console import print_run


@app.command(cls=GoesOn)
def train(
    words: Words = None,
    config: Config = None,
    show_config: ShowConfig = False,
    dry_run: DryRun = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="[RUN]", help="Go on with this run, or the newest unfinished one.")
    ] = None,
    runs: Runs = Path("runs"),
    new: New = False,
    debug: Debug = False,
) -> None:
    """Train a model on a folder of scans.

    It is scored on patients kept back until the end; the run's report.html says how good it is.
    """
    if show_config:
        from seg.overrides import to_yaml

        typer.echo(to_yaml(api.settings(given=words or (), config=config or ())), nl=False)
        return
    going_on = True if resume == "" else resume
    run = api.train(given=words or (), config=config or (), dry_run=dry_run, resume=going_on, runs=runs, new=new)
    if run is not None:
        raise typer.Exit(print_run(run))
