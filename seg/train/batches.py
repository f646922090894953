"""The batches of a training: what the loader gives, what components make themselves, from all processes."""

import os
from collections.abc import Callable, Generator, Iterator

import torch

from seg.data.dataset import Batch
from seg.data.streams import Batches, StreamSettings, stream_batches
from seg.train.training import Training
from seg.train.whole_batches import put_together


def default_workers(device: torch.device) -> int:
    """Loading processes: none where the CPU computes the network too, since they would only take its cores."""
    return 0 if device.type == "cpu" else min(8, len(os.sched_getaffinity(0)))  # gpu-only


def training_batches(
    training: Training, steps: range, given_up: Callable[[], bool] = lambda: False
) -> Generator[Batches, None, None]:
    """What every one of `steps` learns from: streams that a component makes itself, and those of the loader.

    They end early, in all processes at the same step, where one would have to wait and `given_up` says yes there.
    """
    settings = training.settings
    workers = default_workers(training.device) if settings.data.workers is None else settings.data.workers
    shared = StreamSettings(
        plan=training.plan,
        augment=settings.augment,
        foreground_fraction=settings.train.foreground_fraction,
        seed=settings.train.seed,
        workers=workers,
        pin_memory=training.device.type == "cuda",
        part=(training.ranks.number, training.ranks.count),
        worker_start=settings.data.worker_start,
        timeout_s=settings.data.timeout_s,
        # What computes in 16 bits rounds its images first of all.
        half=training.device.type == "cuda" and training.precision.name != "fp32",
    )
    own = _own_batches(training, steps)
    left = {stream: size for stream, size in training.batch_sizes.items() if stream not in own}
    parts = stream_batches(training.cases, left, steps, shared, given_up)
    # Asked together, since a process that waits for the others' slices cannot be told otherwise.
    while training.ranks.everywhere((part := next(parts, None)) is not None):
        whole = put_together(training.ranks, part or {}, training.device)
        yield {**whole, **{stream: next(batches) for stream, batches in own.items()}}


def _own_batches(training: Training, steps: range) -> dict[str, Iterator[Batch]]:
    found: dict[str, Iterator[Batch]] = {}
    for component in training.components:
        for stream, size in training.batch_sizes.items():
            batches = component.batches(stream, steps, size)
            if batches is not None:
                found[stream] = batches
    return found
