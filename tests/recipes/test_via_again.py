import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from seg.recipes import via
from seg.recipes.hop import PlannedHop
from seg.recipes.transfer import transfer
from seg.runs import Run
from seg.train import loop
from seg.train.interrupt import Interrupted


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (("data.labelled=1", "split.validation_fraction=0"), "pancreas-via-spleen"),
        ((), ".probes/pancreas-from-none"),
    ],
)
def test_an_interrupted_hop_or_probe_goes_on_with_the_same_command(stepwise, monkeypatch, words, folder):
    wished, text = stepwise("transfer.via=spleen", *words), io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "_log_step", _then_interrupted(loop._log_step))
        with pytest.raises(Interrupted):
            transfer(wished, console=Console(file=text, width=300))
    assert "give the same command again" in text.getvalue()
    stopped = Run(Path(wished.runs.folder) / folder)
    hint = "the command of its transfer again" if ".probes" in folder else f"seg train --resume {stopped.folder}"
    assert f"Interrupted after step 1. To go on: {hint}\n" in text.getvalue()
    assert stopped.manifest().state == "interrupted"
    assert len(list(stopped.folder.parent.glob("panc*"))) == 1

    monkeypatch.setattr(via, "take", _first_training_of(via.take, stopped))
    with pytest.raises(_EnoughError):
        transfer(wished, console=Console(quiet=True))
    assert stopped.manifest().state == "finished"
    assert "Going on after step 1" in (stopped.folder / "log.txt").read_text()
    assert len(list(stopped.folder.parent.glob("panc*"))) == 1


class _EnoughError(Exception):
    pass


def _then_interrupted(log: Callable[..., None]) -> Callable[..., None]:
    def logging(*given: object) -> None:
        log(*given)
        os.kill(os.getpid(), signal.SIGINT)

    return logging


def _first_training_of(take: Callable[..., None], stopped: Run) -> Callable[..., None]:
    """Nothing after the training that had been stopped."""

    def taking(way: via.Way, planned: PlannedHop) -> None:
        if stopped.folder.parent.name == ".probes":
            way.probes.score(way.sources)
        else:
            take(way, planned)
        raise _EnoughError

    return taking
