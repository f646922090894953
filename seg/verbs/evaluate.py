"""`seg evaluate`: predicted masks beside reference masks."""

from pathlib import Path
from typing import Annotated

import typer

from seg import api
from seg.app import Debug, Output, Words, app
from seg.console import print_scores, progress_line


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(metavar="PRED", help="Folder of predicted masks.")],
    reference: Annotated[Path, typer.Argument(metavar="REF", help="Folder of reference masks.")],
    output: Output,
    words: Words = None,
    debug: Debug = False,
) -> None:
    """Compare predicted masks with reference masks.

    Writes cases.csv, evaluation.json and report.html.
    """
    result = api.evaluate(prediction, reference, output, words or (), progress=progress_line())
    print_scores(result)
    for note in result.notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Report: {output / 'report.html'}")
