import io
import os
import shutil
import signal
from pathlib import Path

import pytest
from rich.console import Console

from seg.errors import CheckpointError
from seg.recipes.resume import resume
from seg.recipes.train import train
from seg.recipes.transfer import transfer
from seg.runs import Run
from seg.train import loop
from seg.train.interrupt import Interrupted

QUIET = Console(quiet=True)


@pytest.fixture
def stopped(stepwise, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A transfer that was interrupted after its first step; its source lies beside it."""
    source = train(stepwise("organ=liver", "runs.name=liver", "train.steps=1"), console=QUIET)
    assert source is not None
    log_step = loop._log_step

    def interrupted(*given: object) -> None:
        log_step(*given)
        os.kill(os.getpid(), signal.SIGINT)

    words = (f"transfer.source={source.folder}", "strategy=l2sp", "runs.name=pancreas")
    with monkeypatch.context() as patched:
        patched.setattr(loop, "_log_step", interrupted)
        with pytest.raises(Interrupted) as ended:
            transfer(stepwise(*words), console=QUIET)
    assert ended.value.code == 130
    return Run(source.folder.parent / "pancreas")


def _refused(run: Run) -> str:
    with pytest.raises(CheckpointError) as refused:
        resume(run, console=QUIET)
    assert run.manifest().state == "interrupted"
    return refused.value.code


def test_an_interrupted_transfer_goes_on_from_its_own_source_wherever_both_lie(stopped: Run, tmp_path: Path) -> None:
    model = stopped.folder.parent / "liver" / "model.safetensors"
    weights = model.read_bytes()
    model.write_bytes(weights + b" ")
    assert _refused(stopped) == "source-changed"
    model.write_bytes(weights)
    shutil.move(stopped.folder, tmp_path / "elsewhere" / "pancreas")
    shutil.move(model.parent, tmp_path / "liver")
    moved = Run(tmp_path / "elsewhere" / "pancreas")
    assert _refused(moved) == "source-gone"

    shutil.move(tmp_path / "liver", tmp_path / "elsewhere" / "liver")
    text = io.StringIO()
    assert resume(moved, console=Console(file=text, width=300)) == moved
    assert text.getvalue().startswith(f"Going on with {moved.folder}\n")
    assert "Going on after step 1 with pancreas" in text.getvalue()
    assert (moved.manifest().state, moved.manifest().results["steps"]) == ("finished", 4)
