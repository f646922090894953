"""How slices are loaded changes nothing of what is learned, and a loading process that dies costs nothing."""

import os
import signal
import threading
import time
from contextlib import closing

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seg.data.dataset import Item, SliceDataset
from seg.errors import ResourceError
from seg.runs import Run
from seg.train.batches import training_batches
from seg.train.interrupt import Interrupted
from seg.train.loop import take_step
from seg.train.manifest import step_of

SMALL = ("train.batch_size=2", "train.steps=3", "train.validations=1")


def _weights(make, *words: str) -> dict[str, Tensor]:
    training = make(*SMALL, *words)
    with closing(training_batches(training, range(3))) as loaded:
        for step, batches in enumerate(loaded):
            take_step(training, batches, step)
    return training.network.state_dict()


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_weights_do_not_depend_on_how_many_processes_load_nor_on_how_they_start(make) -> None:
    alone = _weights(make)
    for words in (["workers=1"], ["workers=2"], ["workers=4"], ["workers=1", "worker_start=spawn"]):
        assert _equal(alone, _weights(make, *(f"data.{word}" for word in words))), words


def test_a_run_whose_loading_process_was_killed_goes_on_to_the_same_bits(make, go, monkeypatch) -> None:
    whole = go(make(*SMALL), "whole")[0]
    main, load = os.getpid(), SliceDataset.__getitem__

    def killed(self: SliceDataset, position: int) -> Item:
        if position == 5 and os.getpid() != main:
            os.kill(os.getpid(), signal.SIGKILL)
        return load(self, position)

    with monkeypatch.context() as patched:
        patched.setattr(SliceDataset, "__getitem__", killed)
        with pytest.raises(ResourceError, match=r"ended by SIGKILL at phantom\d+, slice \d+; .* go on with `seg train"):
            go(make(*SMALL, "data.workers=1"), "halves")
    halves = go(make(*SMALL, "data.workers=1"), "halves")[0]
    assert _equal(load_file(whole.last), load_file(halves.last))


def test_a_signal_ends_a_training_whose_loading_process_hangs(make, go, monkeypatch) -> None:
    whole = go(make(*SMALL), "whole")[0]
    main, load, asked = os.getpid(), SliceDataset.__getitem__, []

    def hangs(self: SliceDataset, position: int) -> Item:
        if position == 4 and os.getpid() != main:
            time.sleep(100)
        return load(self, position)

    def stepped(network: object, step: int) -> None:
        asked.append(time.monotonic())
        if step == 1:
            threading.Timer(0.3, os.kill, (main, signal.SIGTERM)).start()

    training = make(*SMALL, "data.workers=1")
    monkeypatch.setattr(training.components[0], "after_step", stepped)
    with monkeypatch.context() as patched:
        patched.setattr(SliceDataset, "__getitem__", hangs)
        with pytest.raises(Interrupted) as ended:
            go(training, "halves")
    assert ended.value.code == 143
    # A third of a second of it until the signal comes.
    assert time.monotonic() - asked[-1] < 3
    halves, progress = Run(whole.folder.parent / "halves"), len(asked)
    assert [step_of(place) for place in halves.checkpoints.iterdir()] == [progress] == [2]
    assert _equal(load_file(whole.last), load_file(go(make(*SMALL), "halves")[0].last))
