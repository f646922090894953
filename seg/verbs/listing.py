"""`seg list`: what there is of a kind."""

from pathlib import Path
from typing import Annotated

import typer

from seg import api
from seg.app import Debug, Runs, app
from seg.console import print_table


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="organs, strategies, components, formats, metrics, measures, losses, encoders, launchers, presets, "
            "settings or runs.",
        ),
    ],
    runs: Runs = Path("runs"),
    debug: Debug = False,
) -> None:
    """Show organs, formats, metrics, settings, runs, ..."""
    table = api.listing(kind, runs=runs)
    print_table(table.columns, table.rows)
