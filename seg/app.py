"""The command line's frame: the program, and the arguments that several verbs share. No torch."""

from pathlib import Path
from typing import Annotated

import typer

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
ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print the resolved settings and stop.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check data, model and one batch; print the plan.")]


@app.callback()
def seg(debug: Debug = False) -> None:
    """Read `--debug` wherever it stands; `main` looks for it."""
