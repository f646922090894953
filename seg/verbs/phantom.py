"""`seg phantom`: synthetic abdomens."""

from typing import Annotated, Literal

import typer

from seg import api
from seg.app import Debug, Output, app
from seg.console import progress_line


@app.command()
def phantom(
    output: Output,
    layout: Annotated[str, typer.Option("--layout", help="Layout on disk (seg list formats).")] = "decathlon",
    labelled: Annotated[int, typer.Option("--labelled", help="Patients with labels.")] = 10,
    unlabelled: Annotated[int, typer.Option("--unlabelled", help="Patients without.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same patients.")] = 0,
    scanner: Annotated[Literal["a", "b"], typer.Option("--scanner", help="b looks different: a domain shift.")] = "a",
    debug: Debug = False,
) -> None:
    """Write synthetic abdomens with known organs."""
    counts = {"labelled": labelled, "unlabelled": unlabelled, "seed": seed}
    typer.echo(api.phantom(output, layout=layout, **counts, scanner=scanner, progress=progress_line()))
