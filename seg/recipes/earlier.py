"""Runs that the same command made before it was stopped: found by name, used again where nothing changed since."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seg.config import Settings
from seg.digest import file_sha256
from seg.errors import DataError, SegError
from seg.lock import holder
from seg.overrides import to_yaml
from seg.recipes.bookkeeping import refuse_other_data
from seg.recipes.opening import is_unbegun
from seg.recipes.prepare import Prepared
from seg.recipes.source import Origin
from seg.recipes.together import by_first
from seg.runs import Run

_LONGEST_NAME = 90
"""Characters; a number and the limit of `runs.name` leave room for no more."""


@by_first("looking for an earlier run")
def find_earlier(
    settings: Settings, origins: Sequence[Origin], prepare: Callable[[], Prepared]
) -> tuple[Settings, Run | None]:
    """The settings under a name that is theirs, and the run they made before; None where that is still to be made.

    A run of the same name with other settings, another start or other data, or one that another process is at work in,
    is left alone: the name gets a number. `prepare` is called only where data have to be compared.
    """
    number = 1
    while True:
        own = settings.runs.name if number == 1 else f"{settings.runs.name}-{number}"
        named = changed(settings, runs={"name": own})
        run = Run(Path(settings.runs.folder) / own)
        if not (run.folder.exists() and holder(run.folder)):
            if not run.folder.exists() or is_unbegun(run):
                return named, None
            if _made_from(run, named, origins, prepare):
                return named, run
        number += 1


def _made_from(run: Run, settings: Settings, origins: Sequence[Origin], prepare: Callable[[], Prepared]) -> bool:
    try:
        manifest, written = run.manifest(), (run.folder / "config.yaml").read_text(encoding="utf-8")
    except (SegError, OSError):
        return False
    start = origins[0].file
    if written != to_yaml(settings) or (start and manifest.lineage.get("sha256") != file_sha256(start)):
        return False
    try:
        refuse_other_data(run, prepare())
    except DataError:
        return False
    return True


def changed(settings: Settings, **sections: Mapping[str, Any]) -> Settings:
    """The settings with other values in some of their sections."""
    parts = {name: part.model_copy(update=dict(sections[name])) for name, part in settings if name in sections}
    return settings.model_copy(update=parts)


def run_name(*words: str) -> str:
    """A name for a run's folder from words of any kind, always the same for the same words."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(words)).lstrip(".-")[:_LONGEST_NAME]
