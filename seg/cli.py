"""One function per verb: parse, call the function of that name in `api.py`, print. No logic, and no torch at import."""

import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.exceptions import TyperException

from seg import api
from seg.command import ExplainsSettings, GoesOn
from seg.console import (
    end_now,
    one_voice,
    print_error,
    print_findings,
    print_run,
    print_scores,
    print_table,
    progress_line,
    told_elsewhere,
)
from seg.errors import SegError

app = typer.Typer(
    name="seg",
    help="Medical image segmentation: from a folder of scans to a model, its masks, and a page that says how good.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Words = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings, such as organ=liver optim.lr=3e-4.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Config = Annotated[list[Path] | None, typer.Option("--config", metavar="FILE", help="YAML settings; may be repeated.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where results go.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or name, or an organ: its best run.")]
New = Annotated[bool, typer.Option("--new", help="Begin anew where an unfinished run of the same command goes on.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where runs are looked for by name.")]


@app.callback()
def seg(debug: Debug = False) -> None:
    """Read `--debug` wherever it stands; `main` looks for it."""


@app.command(cls=GoesOn)
def train(
    words: Words = None,
    config: Config = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the resolved settings and stop.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check data, model and one batch; print the plan.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="[RUN]", help="Go on with this run, or the newest unfinished one.")
    ] = None,
    runs: Runs = Path("runs"),
    new: New = False,
    debug: Debug = False,
) -> None:
    """Train a model on a folder of scans.

    It is scored on patients kept back until the end; the run's report.html says how good it is.
    """
    if show_config:
        from seg.overrides import to_yaml

        typer.echo(to_yaml(api.settings(given=words or (), config=config or ())), nl=False)
        return
    going_on = True if resume == "" else resume
    run = api.train(given=words or (), config=config or (), dry_run=dry_run, resume=going_on, runs=runs, new=new)
    if run is not None:
        print_run(run)


@app.command(cls=ExplainsSettings)
def pretrain(
    words: Words = None,
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check data, model and one batch; print the plan.")
    ] = False,
    new: New = False,
    debug: Debug = False,
) -> None:
    """Learn from scans without labels, as a start for transfers.

    Damaged scans are restored. `seg transfer --from RUN` goes on with the result, `seg train --resume` with a run that
    was interrupted.
    """
    run = api.pretrain(words or (), config=config or (), dry_run=dry_run, new=new)
    if run is not None:
        print_run(run)


@app.command(cls=ExplainsSettings)
def transfer(
    source: Annotated[
        list[str],
        typer.Option("--from", metavar="SOURCE,...", help="An organ, a run, a folder, a weight file, imagenet, none."),
    ],
    target: Annotated[str, typer.Option("--to", metavar="ORGAN", help="The organ with few labels (seg list organs).")],
    words: Words = None,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="NAME,...", help="What moves and how (seg list strategies).")
    ] = "",
    via: Annotated[str, typer.Option("--via", metavar="ORGAN,...", help="Organs to go through on the way.")] = "",
    config: Config = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the resolved settings and stop.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check source, data, model and one batch; print the plan.")
    ] = False,
    new: New = False,
    debug: Debug = False,
) -> None:
    """Train an organ with few labels from what another model knows.

    The model is scored like any other; the report also says what was moved. `seg train --resume` goes on with it.
    """
    if show_config:
        from seg.overrides import to_yaml

        chosen = api.transfer_words(source, target, words or (), strategy, via)
        typer.echo(to_yaml(api.transfer_settings(chosen, config or ())), nl=False)
        return
    given, files = words or (), config or ()
    run = api.transfer(source, target, given, strategy=strategy, via=via, config=files, dry_run=dry_run, new=new)
    if run is not None:
        print_run(run)


@app.command()
def predict(
    run: RunName,
    source: Annotated[Path, typer.Argument(metavar="IN", help="Scans, in any layout (seg list formats).")],
    output: Output,
    words: Words = None,
    debug: Debug = False,
) -> None:
    """Segment scans with a trained model.

    Every mask lies on its scan's own grid. What is finished is skipped; a bad scan is reported, the others are done.
    """
    outcome = api.predict(run, source, output, words or ())
    if outcome.failed:
        print_findings(outcome.failed)
    typer.echo(f"{outcome.done} done, {outcome.skipped} finished before, {len(outcome.failed)} failed: {output}")
    if outcome.failed:
        raise typer.Exit(3)


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


@app.command()
def report(run: RunName, runs: Runs = Path("runs"), debug: Debug = False) -> None:
    """Write a run's report.html again."""
    typer.echo(f"Report: {api.report(run, runs=runs)}")


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


@app.command()
def prepare(words: Words = None, debug: Debug = False) -> None:
    """Prepare every scan, so that a training starts at once."""
    prepared = api.prepare(given=words or (), stages=lambda stage: progress_line(f"{stage}: "))
    plan = prepared.plan
    sides = {"training": prepared.train, "validation": prepared.validation, "unlabelled": prepared.unlabelled}
    for side, cases in sides.items():
        typer.echo(f"{side:>12}  {len(cases)} cases")
    typer.echo(f"{'grid':>12}  {plan.spacing:.4g} {plan.unit} per pixel, {plan.size_px} x {plan.size_px} pixels")


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


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="organs, strategies, components, formats, metrics, losses, encoders, presets, settings or runs.",
        ),
    ],
    runs: Runs = Path("runs"),
    debug: Debug = False,
) -> None:
    """Show organs, formats, metrics, settings, runs, ..."""
    table = api.listing(kind, runs=runs)
    print_table(table.columns, table.rows)


@app.command()
def completion(
    shell: Annotated[Literal["bash", "zsh"], typer.Argument(metavar="bash|zsh", help="Your shell.")],
    debug: Debug = False,
) -> None:
    """Print the script that completes words at TAB.

    bash: source <(seg completion bash)    zsh: source <(seg completion zsh)
    """
    from seg.completion import SCRIPTS

    typer.echo(SCRIPTS[shell], nl=False)


@app.command("complete-line", hidden=True)
def complete_line(line: str, debug: Debug = False) -> None:
    """Print the candidates for the last word of a line; the completion scripts ask this."""
    from seg.completion import candidates

    for candidate in candidates(line):
        typer.echo(candidate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0, that of the error's class (`errors.py`), or 130 for Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        with one_voice():
            code = app(given, prog_name="seg", standalone_mode=False)
        return end_now(code if isinstance(code, int) else 0)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if "--debug" in given:
            traceback.print_exception(error)
        return end_now(_explain(error))


def _explain(error: Exception) -> int:
    """Say on stderr what went wrong, where no other process has said it; returns the exit code."""
    own = error.exit_code if isinstance(error, SegError) else 2 if isinstance(error, TyperException) else 1
    elsewhere = told_elsewhere(error, own)
    if elsewhere is not None:
        return elsewhere
    if isinstance(error, SegError):
        print_error(error)
        return error.exit_code
    if isinstance(error, TyperException):
        message = re.sub(r"\(Possible options: (.*)\)", r"Did you mean \1?", error.format_message())
        print(f"Error\n  found     {message}\n  to do     see `seg --help`", file=sys.stderr)
        return 2
    print(f"Error: {type(error).__name__}: {error}. Run it again with --debug for the details.", file=sys.stderr)
    return 1
