"""How slices are loaded changes nothing of what is learned, and a loading process that dies costs nothing."""

import os
import signal
from contextlib import closing

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seg.data.dataset import Item, SliceDataset
from seg.errors import ResourceError
from seg.train.loop import take_step, training_batches

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
