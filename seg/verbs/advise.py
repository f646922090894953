"""`seg advise`: what to transfer to an organ, and how, before anything is trained."""

from typing import TYPE_CHECKING, Annotated

import typer

from seg import api
from seg.app import Config, Debug, Words, app
from seg.command import ExplainsSettings
from seg.console import print_table

if TYPE_CHECKING:
    from seg.report.advised.page import AdvicePage


@app.command(cls=ExplainsSettings)
def advise(
    target: Annotated[str, typer.Option("--to", metavar="ORGAN", help="The organ with few labels (seg list organs).")],
    words: Words = None,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="SOURCE,...", help="Only these; else all finished runs, model.weights and none."
        ),
    ] = "",
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Say what to transfer to an organ, and how, without training.

    Ranks sources by what their networks make of the target's labelled training scans, chooses a strategy, and says what
    it does not know. The runs folder keeps the page and its numbers.
    """
    advised = api.advise(target, source, words or (), config=config or ())
    from seg.recipes.advised_page import advice_page

    _print(advice_page(advised.advice))
    typer.echo(f"Report: {advised.page}")


def _print(page: "AdvicePage") -> None:
    """The advice first, then what it rests on, then what it does not know."""
    from seg.report.advised.tables import measure_rows, ranking_rows

    for line in (*page.sentences, page.why, f"To type: {page.command}", ""):
        typer.echo(line)
    for heading, *rows in (ranking_rows(page), measure_rows(page)):
        print_table(heading, rows)
        typer.echo("")
    typer.echo(_thresholds(page))
    for line in (page.path_why, *([f"To type: {page.path_command}"] if page.path_command else [])):
        typer.echo(line)
    for line in page.agreements or _no_agreement(page):
        typer.echo(line)
    for note in page.notes:
        typer.echo(f"Not known: {note}")
    for name, why in page.left_out:
        typer.echo(f"Not looked at: {name}: {why}")


def _thresholds(page: "AdvicePage") -> str:
    chart = page.quadrant
    cases = "; ".join(
        f"{'small' if small else 'large'} and {'similar' if similar else 'different'}: {strategy}"
        for (small, similar), strategy in chart.strategies.items()
    )
    return (
        f"Quadrant: small below {chart.small_below:,} labelled slices (advise.small_below; here {chart.slices:,}), "
        f"similar below a proxy A-distance of {chart.similar_below:g} (advise.similar_below). {cases}."
    )


def _no_agreement(page: "AdvicePage") -> list[str]:
    if page.gains:
        return ["No proof has three of these sources yet, which a rank correlation takes."]
    return ["No proof of these sources for this target yet, so nobody knows how often such advice is right here."]
