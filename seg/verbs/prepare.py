"""`seg prepare`: scans on the network's grid, before a training."""

import typer

from seg import api
from seg.app import Debug, Words, app
from seg.console import progress_line


@app.command()
def prepare(words: Words = None, debug: Debug = False) -> None:
    """Prepare every scan, so that a training starts at once."""
    prepared = api.prepare(given=words or (), stages=lambda stage: progress_line(f"{stage}: "))
    plan = prepared.plan
    sides = {"training": prepared.train, "validation": prepared.validation, "unlabelled": prepared.unlabelled}
    for side, cases in sides.items():
        typer.echo(f"{side:>12}  {len(cases)} cases")
    typer.echo(f"{'grid':>12}  {plan.spacing:.4g} {plan.unit} per pixel, {plan.size_px} x {plan.size_px} pixels")
