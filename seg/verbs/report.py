"""`seg report`: a run's page again."""

from pathlib import Path

import typer

from seg import api
from seg.app import Debug, RunName, Runs, app


@app.command()
def report(run: RunName, runs: Runs = Path("runs"), debug: Debug = False) -> None:
    """Write a run's report.html again."""
    typer.echo(f"Report: {api.report(run, runs=runs)}")
