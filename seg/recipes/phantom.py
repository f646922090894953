"""Write synthetic patients to a folder of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from seg.data.phantom.layouts import write_phantoms
from seg.errors import UsageError


def phantom(
    output: Path,
    layout: str,
    *,
    labelled: int,
    unlabelled: int,
    seed: int,
    scanner: Literal["a", "b"],
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Write `labelled` + `unlabelled` synthetic patients to `output` in the layout asked for; returns `output`.

    Raises:
        UsageError: Where `output` holds files already, or layout, counts, seed or scanner cannot be meant.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(
            found="files that are already there",
            expected="a new or empty folder",
            fix="choose another folder, or empty this one yourself",
            path=output,
            code="output-not-empty",
        )
    if labelled < 0 or unlabelled < 0 or labelled + unlabelled == 0:
        raise UsageError(
            found=f"{labelled} labelled and {unlabelled} unlabelled patients",
            expected="numbers from 0, at least one patient",
            fix="ask for at least one patient",
            code="phantom-count",
        )
    return write_phantoms(
        output, layout, labelled=labelled, unlabelled=unlabelled, seed=seed, scanner=scanner, progress=progress
    )
