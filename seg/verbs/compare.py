"""`seg compare`: finished runs beside each other, on the same test cases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seg import api
from seg.app import Debug, Runs, app
from seg.console import print_table

if TYPE_CHECKING:
    from seg.recipes.comparison import Comparison

COLUMNS = ("arm", "beside", "Dice", "baseline's", "points", "95 % interval", "p", "patients", "trainings", "verdict")


@app.command()
def compare(
    arms: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="The baseline first; each a run, an organ (its best run), a folder of seg evaluate, several trainings"
            " as RUN,RUN,RUN, or NAME=RUN,RUN,RUN.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where scores, table and page go.")
    ] = None,
    runs: Runs = Path("runs"),
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Name patients on the page instead of P01, P02, ...")
    ] = False,
    debug: Debug = False,
) -> None:
    """Say whether finished runs differ, on the same test cases.

    The first one is the baseline, and the others are better, worse, or there is no evidence. Trainings of one arm
    differ in nothing but their seed and are paired in order.
    """
    found = api.compare(arms, output, runs=runs, show_names=show_names)
    for organ in found.organs:
        if len(found.organs) > 1:
            typer.echo(f"{organ.title}:")
        for sentence in organ.sentences:
            typer.echo(sentence)
    print_table(*_table(found))
    for note in found.notes:
        typer.echo(f"Note: {note}")
    for page in found.reports:
        typer.echo(f"Report: {page}")


def _table(found: "Comparison") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    from seg.report.proved.words import console_cells

    several = len(found.organs) > 1
    cells = [
        (*((organ.title,) if several else ()), verdict.arm, verdict.baseline, *console_cells(row))
        for organ in found.organs
        for verdict in organ.verdicts
        for row in verdict.measures
    ]
    return (("organ", *COLUMNS) if several else COLUMNS), cells
