"""Whether what a training will write has room, asked before its first step."""

import shutil
from pathlib import Path

from seg.atomic import require_writable
from seg.errors import ResourceError
from seg.runs import Run
from seg.train.checkpoint import KEPT
from seg.train.moments import moments_bytes
from seg.train.saved import moment
from seg.train.snapshot import size_bytes
from seg.train.training import Progress, Training


def checkpoint_bytes(training: Training) -> int:
    """What one checkpoint takes, without the best weights; the moments are counted whether they are there or not."""
    groups = moment(training, Progress(training.total_steps)).tensors
    kept = sum(size_bytes(tensors.values()) for name, tensors in groups.items() if name != "optimizer")
    return kept + moments_bytes(training.optimizer)


def needed_bytes(training: Training) -> int:
    """What a run takes at most: the checkpoints that are kept and the next one, best, last and student weights.

    For AdamW with averaged weights about 3.6 times one checkpoint, which is five times the network.
    """
    weights = size_bytes(training.network.state_dict().values())
    return (KEPT + 1) * (checkpoint_bytes(training) + weights) + 3 * weights


def require_room(training: Training, run: Run) -> None:
    """Raise ResourceError where the run's folder cannot be written or its disk has no room for what is still to come.

    What the run has written already is made use of again, so that a resumed run needs less.
    """
    require_writable(run.folder)
    needed = needed_bytes(training) - _written_bytes(run)
    free = shutil.disk_usage(run.folder).free
    if free < needed:
        raise ResourceError(
            found=f"{free / 1e6:.0f} MB free", path=run.folder, code="no-room",
            expected=f"{needed / 1e6:.0f} MB for {KEPT + 1} checkpoints and the weights",
            fix="free some disk, or choose another one with runs.folder",
        )  # fmt: skip


def _written_bytes(run: Run) -> int:
    """Every file once, whatever number of names it has."""
    files: dict[int, int] = {}
    for path in (*Path(run.checkpoints).glob("step-*/*"), run.model, run.last, run.student):
        if path.is_file():
            files[path.stat().st_ino] = path.stat().st_size
    return sum(files.values())
