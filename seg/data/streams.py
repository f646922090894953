"""Batches of every stream a training needs (labelled, unlabelled, source), step after step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seg.config import Augment
from seg.data.ahead import Ahead
from seg.data.augment import Augmentation
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch, SliceDataset, Stream, collate
from seg.data.order import SliceOrder
from seg.data.plan import Plan
from seg.data.watched import Start, WatchedLoader
from seg.data.worker import Work

Batches = dict[str, Batch]
"""Stream name to its batch of the step."""

STREAMS = ("labelled", "unlabelled", "source")
"""Every stream there can be; a stream's number is part of its seed."""


@dataclass(frozen=True)
class StreamSettings:
    """What all streams of a training share."""

    plan: Plan
    augment: Augment
    foreground_fraction: float
    seed: int
    workers: int
    pin_memory: bool
    part: tuple[int, int] = (0, 1)
    """Which of how many equal parts of every batch is loaded here."""
    worker_start: Start = "auto"
    timeout_s: float = 300.0
    """Longest time over one slice in a loading process."""
    half: bool = False
    """Images travel to a GPU in half precision, masks as bool; both are float again in `Batch.to`."""


def make_dataset(name: str, cases: Sequence[PreparedCase], settings: StreamSettings) -> SliceDataset:
    """The endless data set of one stream."""
    seed = settings.seed * len(STREAMS) + STREAMS.index(name)
    order = SliceOrder(cases, seed, settings.foreground_fraction)
    augmentation = Augmentation(settings.augment, settings.plan.size_px)
    return SliceDataset(cases, order, augmentation, settings.plan.neighbours, seed)


def stream_batches(
    cases: Mapping[str, Sequence[PreparedCase]],
    batch_sizes: Mapping[str, int],
    steps: range,
    settings: StreamSettings,
    given_up: Callable[[], bool] = lambda: False,
) -> Iterator[Batches]:
    """The batches of each step in `steps`; a step's slices and augmentation depend on (seed, step) alone.

    Where a loading process keeps the next one waiting and `given_up` says yes, there is no next one.
    """
    streams = {
        name: Stream(make_dataset(name, cases[name], settings), size, settings.part)
        for name, size in batch_sizes.items()
    }
    if settings.workers and streams and steps:
        work = Work(streams, steps, min(settings.workers, len(steps)), settings.half)
        yield from _by_processes(work, settings, given_up)
        return
    for step in steps:
        batches = {name: collate(list(map(stream.load, stream.positions(step)))) for name, stream in streams.items()}
        if settings.half:
            batches = {name: replace(batch, images=batch.images.half()) for name, batch in batches.items()}
        yield _pinned(batches) if settings.pin_memory else batches


def _by_processes(work: Work, settings: StreamSettings, given_up: Callable[[], bool]) -> Iterator[Batches]:
    loader = WatchedLoader(work, settings.worker_start, settings.timeout_s)
    source = Ahead(map(_pinned if settings.pin_memory else _owned, loader), loader.stop, given_up)
    try:
        yield from source
    finally:
        source.close()
        loader.close()


def _owned(batches: Batches) -> Batches:
    """A copy that stays when the loader goes on."""
    return {
        name: Batch(batch.images.clone(), batch.masks.float(), batch.valid.clone(), batch.where)
        for name, batch in batches.items()
    }


def _pinned(batches: Batches) -> Batches:  # gpu-only
    return {name: batch.pin_memory() for name, batch in batches.items()}
