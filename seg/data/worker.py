"""What a loading process does: fill shared memory with the batches of its steps, until nobody wants more."""

import os
import signal
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Protocol

import cv2
import torch

from seg.data.dataset import Item, Stream
from seg.data.slots import Layout, Slots, layout_of, new_memory
from seg.errors import SegError

SLOTS = 2
"""Steps that a loading process is ahead: one is read while the next is written."""

FOR_THE_GROUP = (signal.SIGINT, signal.SIGTERM)
"""A terminal and a scheduler send these to every process of a group; the training decides when loading ends."""


class Place(Protocol):
    """Where a loading process is; memory that the training sees, even after the process was killed."""

    def __setitem__(self, index: int, value: int) -> None:
        """Note stream number and position."""
        ...


@dataclass(frozen=True)
class Work:
    """What all loading processes do together; can be pickled."""

    streams: Mapping[str, Stream]
    steps: range
    workers: int
    half: bool
    """Images travel in half precision."""

    def steps_of(self, worker: int) -> range:
        """The steps of one loading process."""
        return self.steps[worker :: self.workers]


def serve(connection: Connection, place: Place, work: Work, worker: int, others: Sequence[Connection]) -> None:
    """The loading process. Comes in: one byte for every free slot. Goes out: a Layout, its memory, steps or an error.

    `others` are ends of pipes that a fork left open here; while they are, nobody would notice that the training ended.
    """
    _prepare_process(others)
    try:
        _fill(connection, place, work, worker)
        while True:
            connection.recv_bytes()
    except (EOFError, ConnectionError):
        return  # the training ended, or was killed


def _prepare_process(others: Sequence[Connection]) -> None:
    for number in FOR_THE_GROUP:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_THE_GROUP)
    for other in others:
        other.close()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _fill(connection: Connection, place: Place, work: Work, worker: int) -> None:
    slots: Slots | None = None
    for count, step in enumerate(work.steps_of(worker)):
        connection.recv_bytes()
        try:
            items = _load(work, step, place)
        except SegError as error:
            error.add_note(traceback.format_exc())
            connection.send(error)
            return
        if slots is None:
            slots = _share(connection, layout_of(items, work.half, SLOTS))
        slots.write(count % SLOTS, items)
        connection.send(step)


def _load(work: Work, step: int, place: Place) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for number, (name, stream) in enumerate(work.streams.items()):
        found[name] = []
        for position in stream.positions(step):
            place[0], place[1] = number, position
            found[name].append(stream.load(position))
    return found


def _share(connection: Connection, layout: Layout) -> Slots:
    descriptor = new_memory(layout.slot_bytes * layout.slots)
    slots = Slots(layout, descriptor)
    connection.send(layout)
    send_handle(connection, descriptor, os.getppid())
    os.close(descriptor)
    return slots
