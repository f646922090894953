"""A folder that was named as a source and is no run: what lies in it, and what to type instead."""

from pathlib import Path

from seg.data.discover import contents, layouts
from seg.data.listing import list_folder
from seg.errors import CheckpointError, SegError
from seg.models.weight_files import PICKLED, SAFE
from seg.runs import Run, list_runs

_SHOWN = 5


def no_run_in(folder: Path) -> CheckpointError:
    """The error that says what the folder holds: a part of a run, runs, weights, scans, or nothing of these."""
    found, fix = _advice(folder)
    return CheckpointError(
        found=f"{found}, but no run", expected="a run's folder or name, an organ with a finished run, or a weight file",
        fix=fix, path=folder, code="source-folder",
    )  # fmt: skip


def _advice(folder: Path) -> tuple[str, str]:
    above = next((parent for parent in folder.absolute().parents[:2] if _is_run(parent)), None)
    if above is not None:
        return f"a part of the run {above.name}", f"name the run: --from {above}"
    weights = sorted(path for path in folder.iterdir() if path.suffix in SAFE + PICKLED)
    if weights:
        return f"files of weights ({_some([path.name for path in weights])})", f"name the file: --from {weights[0]}"
    runs = list_runs(folder)
    if runs:
        return f"the runs {_some([run.name for run in runs])}", f"name one: --from {runs[-1].folder}"
    if list_folder(folder).empty:
        return "an empty folder", "correct the source's path, or see `seg list runs`"
    recognised = [name for name, layout in layouts().items() if layout.recognise(folder)]
    if recognised:
        train = f"seg train organ=ORGAN data.root={folder}"
        return f"scans ({' or '.join(recognised)})", f"a source is a trained model: train one with `{train}` first"
    return contents(folder), "correct the source's path, or see `seg list runs`"


def _is_run(folder: Path) -> bool:
    try:
        Run(folder).manifest()
    except SegError:
        return False
    return True


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
