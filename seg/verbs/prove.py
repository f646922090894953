"""`seg prove`: whether a transfer helped, shown by trainings with and without it."""

from typing import Annotated

import typer

from seg import api
from seg.app import Config, Debug, DryRun, Words, app
from seg.command import ExplainsSettings
from seg.console import print_table


@app.command(cls=ExplainsSettings)
def prove(
    source: Annotated[
        str, typer.Option("--from", metavar="SOURCE,...", help="An organ, a run, a folder; the first starts an arm.")
    ],
    target: Annotated[str, typer.Option("--to", metavar="ORGAN", help="The organ with few labels (seg list organs).")],
    words: Words = None,
    arms: Annotated[
        str,
        typer.Option(
            "--arms", metavar="ARM,...", help="scratch, imagenet, FILE, STRATEGY+STRATEGY, SOURCE:STRATEGY, auto."
        ),
    ] = "scratch,imagenet,finetune,auto",
    sizes: Annotated[str, typer.Option("--sizes", metavar="N,...", help="Labelled patients of the target.")] = "2,5,10",
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings of each arm and size.")] = 3,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the proof; else made of source and target.")
    ] = "",
    launcher: Annotated[
        str, typer.Option("--launcher", metavar="NAME", help="Where trainings run: in_process, processes, ray, slurm.")
    ] = "in_process",
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="How many trainings run at a time.")
    ] = 1,
    config: Config = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Make verdict, table and page again from the saved scores.")
    ] = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Train with and without a transfer; say whether it helped.

    Ends with the verdict in a sentence, a table and a report. A proof that was killed goes on by the same command.
    """
    outcome = api.prove(
        source, target, words or (), arms=arms, sizes=_numbers(sizes), seeds=seeds, name=name, launcher=launcher,
        workers=workers, config=config or (), recompute=recompute, dry_run=dry_run,
    )  # fmt: skip
    if outcome is None:
        return
    for line in outcome.proven.sentences:
        typer.echo(line)
    print_table(outcome.columns, outcome.rows)
    for what in outcome.proven.missing:
        typer.echo(f"Missing: {what}")
    typer.echo(f"Report: {outcome.report}")
    outcome.refuse_failures()


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of whole numbers such as 2,5,10", param_hint="--sizes") from None
