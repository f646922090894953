"""What a loading process does, done here: the pipe's other end is read by the test itself."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle

import cv2
import numpy as np
import pytest

from seg.data import worker
from seg.data.augment import Sample
from seg.data.dataset import Item, Stream
from seg.data.slots import Layout, Slots
from seg.data.worker import FOR_THE_GROUP, SLOTS, Work, serve
from seg.errors import DataError


class _Slices:
    """Position 5 cannot be read."""

    def __getitem__(self, position: int) -> Item:
        if position == 5:
            raise ValueError("bad bytes")
        return Item(Sample(np.full((3, 4, 4), position, np.float32), np.ones((2, 4, 4), np.uint8)), "")

    def where(self, position: int) -> str:
        return f"slice {position}"


@pytest.fixture
def pipe(monkeypatch) -> tuple[Connection, Connection]:
    monkeypatch.setattr(worker, "_prepare_process", lambda others: None)
    monkeypatch.setattr(os, "getppid", os.getpid)
    return multiprocessing.Pipe()


def _work(steps: range, workers: int = 1) -> Work:
    return Work({"one": Stream(_Slices(), 2), "two": Stream(_Slices(), 1)}, steps, workers, False)


def test_the_layout_comes_first_then_its_memory_then_a_word_for_every_step(pipe) -> None:
    here, there = pipe
    for _ in range(SLOTS):
        here.send_bytes(b"1")
    place = [-1, -1]
    worker._fill(there, place, _work(range(0, 2)), 0)
    layout = here.recv()
    assert layout == Layout({"one": ((2, 3, 4, 4), (2, 2, 4, 4)), "two": ((1, 3, 4, 4), (1, 2, 4, 4))}, False, SLOTS)
    descriptor = recv_handle(here)
    slots = Slots(layout, descriptor)
    os.close(descriptor)
    assert [here.recv(), here.recv()] == [0, 1]
    names = {"one": ("a", "b"), "two": ("c",)}
    assert slots.read(0, names)["one"].images[:, 0, 0, 0].tolist() == [0, 1]
    assert slots.read(1, names)["one"].images[:, 0, 0, 0].tolist() == [2, 3]
    assert slots.read(1, names)["two"].masks.shape == (1, 2, 4, 4)
    assert place == [1, 1]


def test_the_steps_are_dealt_out_like_cards() -> None:
    work = _work(range(3, 10), workers=3)
    assert [list(work.steps_of(number)) for number in range(3)] == [[3, 6, 9], [4, 7], [5, 8]]


def test_an_error_is_the_last_message_and_the_process_waits_to_be_ended(pipe) -> None:
    here, there = pipe
    here.send_bytes(b"1")
    here.send_bytes(b"1")
    here.close()
    receiving, sending = multiprocessing.Pipe()
    for _ in range(3):
        receiving.send_bytes(b"1")
    worker._fill(sending, [-1, -1], _work(range(2, 4)), 0)
    error = receiving.recv()
    assert isinstance(error, DataError)
    assert "bad bytes, while slice 5 was loaded" in str(error)
    serve(there, [-1, -1], _work(range(0, 1)), 0, ())


def test_a_loading_process_closes_what_a_fork_left_open_and_ignores_signals_for_the_group() -> None:
    one, other = multiprocessing.Pipe()
    before = {number: signal.getsignal(number) for number in FOR_THE_GROUP}, cv2.getNumThreads()
    try:
        worker._prepare_process([one])
        assert one.closed
        assert all(signal.getsignal(number) == signal.SIG_IGN for number in FOR_THE_GROUP)
        assert cv2.getNumThreads() == 1
    finally:
        for number, handler in before[0].items():
            signal.signal(number, handler)
        cv2.setNumThreads(before[1])
        other.close()
