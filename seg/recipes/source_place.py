"""Where the sources of a run lie now, which it needs again to go on."""

from collections.abc import Sequence
from pathlib import Path

from seg.config import Settings
from seg.digest import file_sha256
from seg.errors import CheckpointError
from seg.recipes.source import Origin
from seg.runs import Run


def with_sources_in_place(run: Run, settings: Settings) -> Settings:
    """The settings of a run that goes on, with every source where it is found now: where it was, or beside the run.

    Raises CheckpointError for one that is gone: what a strategy keeps of its start is read from there again.
    """
    sources = tuple(_source_in_place(run, word) for word in settings.transfer.source)
    return settings.model_copy(update={"transfer": settings.transfer.model_copy(update={"source": sources})})


def _source_in_place(run: Run, word: str) -> str:
    was = Path(word)
    if not was.is_absolute() or was.exists():
        return word
    beside = run.folder.absolute().parent
    for place in (beside / was.name, beside / was.parent.name / was.name):
        if place.exists():
            return str(place)
    raise CheckpointError(
        found=f"no source at {word}, from which the run {run.name} started", expected="the source, to go on",
        fix=f"put it back there or to {beside / was.name}; or start anew from another source", path=run.folder,
        code="source-gone",
    )  # fmt: skip


def refuse_other_source(run: Run, origins: Sequence[Origin]) -> None:
    """Raise CheckpointError where the first source's weights are not those that the run started from."""
    file, expected = origins[0].file if origins else None, run.manifest().lineage.get("sha256")
    if file is None or not expected:
        return
    found = file_sha256(file)
    if found != expected:
        raise CheckpointError(
            found=f"sha256 {found[:12]}...", expected=f"{expected[:12]}..., from which the run {run.name} started",
            fix="restore the source, or start from what it is now with --new or another runs.name", path=file,
            code="source-changed",
        )  # fmt: skip
