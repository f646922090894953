"""`seg predict`: masks of new scans."""

from pathlib import Path
from typing import Annotated

import typer

from seg import api
from seg.app import Debug, Output, RunName, Words, app
from seg.console import print_findings


@app.command()
def predict(
    run: RunName,
    source: Annotated[Path, typer.Argument(metavar="IN", help="Scans, in any layout (seg list formats).")],
    output: Output,
    words: Words = None,
    launcher: Annotated[
        str,
        typer.Option("--launcher", metavar="NAME", help="Where scans are predicted (seg list launchers)."),
    ] = "in_process",
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="Parts of the scans predicted at a time.")
    ] = 1,
    debug: Debug = False,
) -> None:
    """Segment scans with a trained model.

    Every mask lies on its scan's own grid. What is finished is skipped; a bad scan is reported, the others are done.
    """
    outcome = api.predict(run, source, output, words or (), launcher=launcher, workers=workers)
    if outcome.failed:
        print_findings(outcome.failed)
    typer.echo(f"{outcome.done} done, {outcome.skipped} finished before, {len(outcome.failed)} failed: {output}")
    if outcome.failed:
        raise typer.Exit(3)
