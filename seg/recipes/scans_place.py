"""Where the scans of a run lie now: a run may be read from another folder, or have moved together with its scans."""

import os
from collections.abc import Iterator
from pathlib import Path

from seg.config import Settings
from seg.runs import Run

FROM_RUN = "root_from_run"
"""Of the manifest's data: the way from the run's folder to its scans."""


def way_from(run: Run, root: str) -> str:
    """The way from the run's folder to `root`; empty where there is none, as between two drives."""
    try:
        return os.path.relpath(root, run.folder.absolute())
    except ValueError:
        return ""


def settings_in_place(run: Run) -> Settings:
    """The run's settings with `data.root` where the scans are found now.

    A relative root is meant from the folder that the training ran in, not from today's. Scans that are no longer there
    are looked for on their way from the run's folder, then from the current one.
    """
    settings = run.settings()
    if not settings.data.root:
        return settings
    found = next((place for place in _places(run, settings.data.root) if place.exists()), None)
    root = settings.data.root if found is None else str(found)
    return settings.model_copy(update={"data": settings.data.model_copy(update={"root": root})})


def _places(run: Run, root: str) -> Iterator[Path]:
    data, said = run.manifest().data, Path(root).expanduser()
    if said.is_absolute():
        yield said
    if data.get("root"):
        yield Path(data["root"])
    if data.get(FROM_RUN):
        yield run.folder / data[FROM_RUN]
    yield said
