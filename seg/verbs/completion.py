"""`seg completion` and what its scripts ask: words at TAB."""

from typing import Annotated, Literal

import typer

from seg.app import Debug, app


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
