"""Loading processes under watch: one that ended or does not come back is named, with the slice it was at.

Every process has a pipe and memory of its own. Nothing is shared between two of them that a killed one could leave
locked, and the training waits for nothing without looking whether it can still come.
"""

import contextlib
import multiprocessing
import multiprocessing.process
import multiprocessing.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle
from typing import Any, Literal

from seg.data.dataset import Batch
from seg.data.loading_errors import Loading, cannot_start, died, hung
from seg.data.slots import Layout, Slots
from seg.data.worker import FOR_THE_GROUP, SLOTS, Work, serve
from seg.errors import SegError

Start = Literal["auto", "fork", "forkserver", "spawn"]

_LOOK_S = 1.0
"""Between two looks at a process that is waited for, and how long a killed one may take to end."""


@dataclass
class _Worker:
    """A loading process as the training sees it."""

    number: int
    process: BaseProcess
    connection: "Connection[Any, Any]"
    place: Sequence[int]
    """Number of the stream and position in it of the slice that is loaded; -1 before the first."""
    loaded: int = 0
    """Steps that came."""


class WatchedLoader:
    """The batches of all streams, step after step, made by processes.

    What comes is valid until the next is asked for; masks are bool, and images in half precision where the work says
    so. Raises ResourceError where a process ended, or took longer over one slice than `timeout_s`, and the SegError of
    a slice that could not be loaded.
    """

    def __init__(self, work: Work, start: Start, timeout_s: float) -> None:
        """Starts the processes of `work`."""
        self._work = work
        self._timeout_s = timeout_s
        self._steps = iter(enumerate(work.steps))
        self._workers: list[_Worker] = []
        self._slots: dict[int, Slots] = {}
        self._reading: _Worker | None = None
        self._stopped = False
        processes: list[BaseProcess] = []
        # Before multiprocessing itself ends its children at exit, with a signal that these ignore.
        self._kill = multiprocessing.util.Finalize(self, _kill, (processes,), exitpriority=100)
        try:
            for number in range(work.workers):
                self._start(number, "spawn" if sys.platform != "linux" and start == "auto" else start)
                processes.append(self._workers[-1].process)
        except OSError as error:
            self.close()
            raise cannot_start(error, work.workers) from None

    def _start(self, number: int, start: Start) -> None:
        context: Any = multiprocessing.get_context("fork" if start == "auto" else start)
        here, there = context.Pipe()
        forked = context.get_start_method() == "fork"
        others = [*(worker.connection for worker in self._workers), here] if forked else []
        place = context.RawArray("q", [-1, -1])
        process = context.Process(target=serve, args=(there, place, self._work, number, others), daemon=True)
        # Until the process ignores them, which takes it a moment.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_GROUP)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            # The pipe then ends with the process.
            there.close()
        self._workers.append(_Worker(number, process, here, place))
        for _ in range(SLOTS):
            self._offer_slot(self._workers[-1])

    def __iter__(self) -> "WatchedLoader":
        return self

    def __next__(self) -> dict[str, Batch]:
        """The batches of the next step."""
        count, step = next(self._steps)
        if self._reading is not None:
            self._offer_slot(self._reading)
        worker = self._reading = self._workers[count % len(self._workers)]
        message = self._message(worker)
        if isinstance(message, Layout):
            self._slots[worker.number] = self._shared(worker, message)
            message = self._message(worker)
        if isinstance(message, SegError):
            raise message
        slot, worker.loaded = worker.loaded % SLOTS, worker.loaded + 1
        streams = self._work.streams.items()
        where = {name: tuple(map(stream.dataset.where, stream.positions(step))) for name, stream in streams}
        return self._slots[worker.number].read(slot, where)

    def _offer_slot(self, worker: _Worker) -> None:
        # Whether the process still lives is looked at when something is expected of it.
        with contextlib.suppress(ConnectionError):
            worker.connection.send_bytes(b"1")

    def _shared(self, worker: _Worker, layout: Layout) -> Slots:
        self._wait(worker)
        descriptor = recv_handle(worker.connection)
        try:
            return Slots(layout, descriptor)
        finally:
            os.close(descriptor)

    def _message(self, worker: _Worker) -> Any:
        self._wait(worker)
        try:
            return worker.connection.recv()
        except (EOFError, ConnectionError):
            raise self._died(worker) from None

    def _wait(self, worker: _Worker) -> None:
        """Until the process sent something; raises where one ended, this one does not get on, or nobody waits."""
        watched = {other.process.sentinel: other for other in self._workers}
        place, waited_s, before = list(worker.place), 0.0, time.monotonic()
        while worker.connection not in (ready := wait([worker.connection, *watched], _LOOK_S)):
            ended = [watched[found] for found in ready if isinstance(found, int)]
            if ended or self._stopped:
                raise self._died(ended[0] if ended else worker)
            now = time.monotonic()
            # A program that was stopped for a while and goes on has not waited all that time.
            waited_s, before = waited_s + min(now - before, 2 * _LOOK_S), now
            if place != list(worker.place):
                place, waited_s = list(worker.place), 0.0
            if waited_s > self._timeout_s:
                raise hung(self._loading(worker), self._timeout_s)

    def _died(self, worker: _Worker) -> SegError:
        worker.process.join(_LOOK_S)
        return died(self._loading(worker), worker.process.exitcode)

    def _loading(self, worker: _Worker) -> Loading:
        number, position = worker.place
        streams = list(self._work.streams.values())
        where = "its start" if position < 0 else streams[number].dataset.where(position)
        return Loading(worker.number, len(self._workers), worker.process.pid, where)

    def stop(self) -> None:
        """End the processes at once; may be called while another thread waits for a batch."""
        self._stopped = True
        self._kill()

    def close(self) -> None:
        """End the processes and give back what they held."""
        self.stop()
        for worker in self._workers:
            worker.process.join(_LOOK_S)
            worker.connection.close()
            if worker.process.is_alive():
                # Not even that signal ends a process inside a read of a drive that is gone; the program may end.
                multiprocessing.process._children.discard(worker.process)  # type: ignore[attr-defined]


def _kill(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.kill()
