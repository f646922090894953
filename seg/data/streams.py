"""Batches of every stream a training needs (labelled, unlabelled, source), step after step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from seg.config import Augment
from seg.data.augment import Augmentation
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch, Item, SliceDataset, collate
from seg.data.order import SliceOrder
from seg.data.plan import Plan

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
) -> Iterator[Batches]:
    """The batches of each step in `steps`; a step's slices and augmentation depend on (seed, step) alone."""
    loaders = [
        (name, iter(_loader(make_dataset(name, cases[name], settings), size, steps, settings)))
        for name, size in batch_sizes.items()
    ]
    for _ in steps:
        yield {name: next(batches) for name, batches in loaders}


def _loader(dataset: SliceDataset, batch_size: int, steps: range, settings: StreamSettings) -> DataLoader[Item]:
    # An own generator: building a loader's iterator otherwise draws from torch's global random numbers, and a resumed
    # run would continue with other dropout masks than an uninterrupted one.
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=range(steps.start * batch_size, steps.stop * batch_size),
        num_workers=settings.workers,
        collate_fn=collate,
        pin_memory=settings.pin_memory,
        generator=torch.Generator().manual_seed(0),
        prefetch_factor=4 if settings.workers else None,
    )
