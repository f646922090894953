"""How a run may be named from Python."""

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from seg.recipes.given import AnyPath

if TYPE_CHECKING:
    from seg.runs import Run

RunLike: TypeAlias = Union["Run", str, PathLike[str]]
"""A run, its folder or name, or an organ: its best run."""


def meant_run(run: RunLike, runs: AnyPath) -> "Run":
    """The run that is meant; a name is looked up in the folder `runs`. Raises CheckpointError where there is none."""
    from seg.runs import Run, find_run

    return run if isinstance(run, Run) else find_run(fspath(run), Path(runs))
