"""The command line: every verb of `seg/verbs/`, and how a command ends. No logic, and no torch at import."""

import re
import sys
import traceback
from collections.abc import Sequence

from typer.exceptions import TyperException

from seg.app import app
from seg.console import end_now, one_voice, print_error, told_elsewhere
from seg.errors import SegError
from seg.verbs import (
    advise,
    check,
    compare,
    completion,
    evaluate,
    listing,
    phantom,
    predict,
    prepare,
    pretrain,
    prove,
    report,
    train,
    transfer,
)

VERBS = (
    train,
    pretrain,
    transfer,
    advise,
    prove,
    compare,
    predict,
    evaluate,
    report,
    check,
    prepare,
    phantom,
    listing,
    completion,
)
"""In the order of the help; each registered itself when it was imported."""

_places = {verb.__name__: place for place, verb in enumerate(VERBS)}
app.registered_commands.sort(key=lambda command: _places[command.callback.__module__] if command.callback else 0)


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
        print(f"Error\n  found     {message}\n  to do     see `{_asked_of(error)} --help`", file=sys.stderr)
        return 2
    print(f"Error: {type(error).__name__}: {error}. Run it again with --debug for the details.", file=sys.stderr)
    return 1


def _asked_of(error: TyperException) -> str:
    """The command whose help explains an error of the command line: `seg`, or `seg` and a verb."""
    context = vars(error).get("ctx")
    return "seg" if context is None else str(context.command_path)
