"""Loading processes that die, hang, fail or are left alone; 8 x 8 slices, so that only the watching takes time."""

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.data import watched
from seg.data.augment import Sample
from seg.data.dataset import Item, Stream
from seg.data.volume import IGNORE
from seg.data.watched import WatchedLoader
from seg.data.worker import Work
from seg.errors import DataError, ResourceError


class _Slices:
    """Ten slices to a case; what happens at one position can be said."""

    def __init__(self, at: int = -1, happens: Callable[[], None] = lambda: None) -> None:
        self.at = at
        self.happens = happens

    def __getitem__(self, position: int) -> Item:
        if position == self.at:
            self.happens()
        masks = np.full((1, 8, 8), position % 2, np.uint8)
        masks[0, 0, 0] = IGNORE
        return Item(Sample(np.full((3, 8, 8), position / 7, np.float32), masks), self.where(position))

    def where(self, position: int) -> str:
        return f"case {position // 10}, slice {position % 10}"


def _work(slices: _Slices, steps: int = 12, workers: int = 2, half: bool = False) -> Work:
    return Work({"labelled": Stream(slices, 2)}, range(steps), workers, half)


@contextmanager
def _loader(work: Work, timeout_s: float = 60.0) -> Iterator[WatchedLoader]:
    loader = WatchedLoader(work, "auto", timeout_s)
    try:
        yield loader
    finally:
        start = time.monotonic()
        loader.close()
        assert time.monotonic() - start < 3
        assert not multiprocessing.active_children()


def _gone(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def _until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _bus_error() -> None:
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGBUS)


def _left() -> None:
    os._exit(3)


def _asleep() -> None:
    time.sleep(1000)


def _stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raises(error: Exception) -> Callable[[], None]:
    def raised() -> None:
        raise error

    return raised


@pytest.mark.parametrize(("half", "rounded"), [(False, np.float32), (True, np.float16)])
def test_batches_come_in_order_with_every_number_that_was_written(half, rounded) -> None:
    with _loader(_work(_Slices(), workers=3, half=half)) as loader:
        for step, batches in enumerate(loader):
            batch = batches["labelled"]
            positions = (2 * step, 2 * step + 1)
            assert batch.where == tuple(map(_Slices().where, positions))
            assert [image.unique().tolist() for image in batch.images] == [[rounded(p / 7)] for p in positions]
            assert batch.masks.dtype == torch.bool
            assert batch.masks[:, 0, 1, 1].tolist() == [False, True]
            assert batch.valid.logical_not().nonzero().tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
        assert step == 11


@pytest.mark.parametrize(
    ("happens", "how", "remedy"),
    [
        (_killed, "SIGKILL", "took back memory: use fewer data.workers"),
        (_bus_error, "SIGBUS", "prepare.cache"),
        (_left, "exit code 3", "fewer data.workers"),
    ],
)
def test_a_process_that_died_is_named_with_its_slice_and_the_memory_that_is_free(happens, how, remedy) -> None:
    start = time.monotonic()
    with (
        _loader(_work(_Slices(13, happens))) as loader,
        pytest.raises(ResourceError, match=rf"ended by {how} at case 1, slice 3; .*GB of RAM .*{remedy}") as died,
    ):
        list(loader)
    assert time.monotonic() - start < 10
    assert died.value.code == "loader-died"
    assert "loading process 1 of 2" in died.value.found


@pytest.mark.parametrize("happens", [_asleep, _stopped])
def test_a_process_that_hangs_is_named_with_its_slice_after_the_timeout(happens) -> None:
    start = time.monotonic()
    with (
        _loader(_work(_Slices(15, happens)), timeout_s=1.0) as loader,
        pytest.raises(
            ResourceError, match=r"process 2 of 2 .* at case 1, slice 5 for more than 1 s; .*GB of RAM"
        ) as hung,
    ):
        list(loader)
    assert 1.0 < time.monotonic() - start < 10
    assert hung.value.code == "loader-hung"


def test_a_slow_process_that_gets_on_is_waited_for() -> None:
    class Slow(_Slices):
        def __getitem__(self, position: int) -> Item:
            time.sleep(0.35)
            return super().__getitem__(position)

    work = Work({"labelled": Stream(Slow(), 4)}, range(1), 1, False)
    with _loader(work, timeout_s=1.0) as loader:
        assert len(list(loader)) == 1


def test_a_program_that_was_stopped_meanwhile_blames_nobody(monkeypatch) -> None:
    clock, later = time.monotonic, iter([0.0])
    monkeypatch.setattr(watched.time, "monotonic", lambda: clock() + next(later, 10_000.0))
    with _loader(_work(_Slices(0, lambda: time.sleep(1.2)), steps=1), timeout_s=5.0) as loader:
        assert len(list(loader)) == 1


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (ValueError("bad bytes"), DataError, "ValueError: bad bytes, while case 1, slice 4 was loaded"),
        (MemoryError(), ResourceError, "too little memory to load case 1, slice 4"),
        (DataError(found="a hole", expected="none", fix="mend it", path="x.nii", code="hole"), DataError,
         "x.nii: found a hole, in case 1, slice 4"),
    ],
)  # fmt: skip
def test_an_exception_in_a_process_names_the_slice_when_its_turn_comes(error, kind, sentence) -> None:
    batches = []
    with _loader(_work(_Slices(14, _raises(error)))) as loader, pytest.raises(kind, match=sentence) as failed:
        batches.extend(loader)
    assert len(batches) == 7
    assert "Traceback" in failed.value.__notes__[0]


def test_a_process_killed_while_nobody_waits_is_noticed_at_the_next_batch() -> None:
    with _loader(_work(_Slices(), steps=100)) as loader:
        next(loader)
        os.kill(loader._workers[1].process.pid, signal.SIGKILL)
        with pytest.raises(ResourceError, match=r"process 2 of 2 .*SIGKILL"):
            list(loader)


def test_signals_for_the_whole_group_leave_loading_to_the_training() -> None:
    with _loader(_work(_Slices())) as loader:
        for worker in loader._workers:
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(worker.process.pid, number)
        assert len(list(loader)) == 12


def test_no_loading_process_outlives_a_killed_training() -> None:
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()

    def train() -> None:
        loader = WatchedLoader(_work(_Slices(), steps=1000), "fork", 60.0)
        next(loader)
        there.send([worker.process.pid for worker in loader._workers])
        time.sleep(1000)

    training = fork.Process(target=train)
    training.start()
    loading = here.recv()
    assert not any(map(_gone, loading))
    training.kill()
    training.join()
    assert _until(lambda: all(map(_gone, loading)))


def test_a_program_that_forgets_its_loader_ends_all_the_same() -> None:
    fork = multiprocessing.get_context("fork")

    def train() -> None:
        loader = WatchedLoader(_work(_Slices(4, _asleep), steps=1000), "fork", 60.0)
        next(loader)

    training = fork.Process(target=train)
    training.start()
    training.join(10)
    assert training.exitcode == 0


def test_processes_that_cannot_be_started_are_said_to_be_too_many(monkeypatch) -> None:
    def refused_by_system(_: BaseProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(BaseProcess, "start", refused_by_system)
    with pytest.raises(ResourceError, match="Resource temporarily unavailable, when 2 loading") as refused:
        WatchedLoader(_work(_Slices()), "auto", 60.0)
    assert refused.value.code == "loader-start"


def test_a_process_that_no_signal_ends_does_not_keep_the_program(monkeypatch) -> None:
    monkeypatch.setattr(watched, "_LOOK_S", 0.2)
    loader = WatchedLoader(_work(_Slices(2, _stopped), workers=1), "auto", 60.0)
    (worker,) = loader._workers
    with monkeypatch.context() as patched:
        patched.setattr(BaseProcess, "kill", lambda _: None)
        next(loader)
        loader.stop()
        loader.close()
    assert worker.process not in multiprocessing.active_children()
    worker.process.kill()
    worker.process.join()


def test_who_waits_in_another_thread_for_a_process_that_no_signal_ends_is_let_go(monkeypatch) -> None:
    monkeypatch.setattr(watched, "_LOOK_S", 0.2)
    loader = WatchedLoader(_work(_Slices(2, _stopped), workers=1), "auto", 60.0)
    (worker,) = loader._workers
    next(loader)
    with monkeypatch.context() as patched:
        patched.setattr(BaseProcess, "kill", lambda _: None)
        ended: list[str] = []

        def wait() -> None:
            try:
                next(loader)
            except ResourceError as error:
                ended.append(error.code)

        thread = threading.Thread(target=wait)
        thread.start()
        loader.stop()
        thread.join(5)
        assert ended == ["loader-died"]
    worker.process.kill()
    loader.close()
