"""`seg check`: everything that is wrong with a data set."""

import typer

from seg import api
from seg.app import Debug, Words, app
from seg.console import print_findings, progress_line


@app.command()
def check(words: Words = None, debug: Debug = False) -> None:
    """Find everything that is wrong with a data set.

    One table over all files; ends with 3 where something has to be mended.
    """
    found = api.check(given=words or (), progress=progress_line())
    if found.findings:
        print_findings(found.findings)
    typer.echo(f"{len(found.facts)} cases read, {len(found.errors)} errors, {len(found.findings)} findings")
    if found.errors:
        raise typer.Exit(3)
