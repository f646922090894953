"""Running a frozen encoder once over every view of every slice."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from seg.data.dataset import Batch
from seg.data.volume import IGNORE
from seg.errors import TrainingError
from seg.models.network import SegNetwork
from seg.progress import Progress
from seg.transfer._feature_cache import Entry, Masks, Rows
from seg.transfer._feature_layout import Layout
from seg.transfer._feature_views import Views

_QUIET_S = 5.0
"""A line at most this often."""
_LARGEST = torch.finfo(torch.float16).max


def find_layout(network: SegNetwork, image: Tensor) -> Layout:
    """What the encoder makes of one slice (channel, y, x)."""
    maps = _encoded(network, image[None])
    return Layout(_shape(image), tuple(_shape(feature[0]) for feature in maps))


def extract(
    network: SegNetwork, entries: Sequence[Entry], layout: Layout, views: Views, batch_size: int, progress: Progress
) -> None:
    """Make the entries, one after the other, so that what was done stays done; the encoder is in evaluation mode.

    Raises TrainingError that names the slice where a feature is too large for half precision, or no number.
    """
    done, total = 0, sum(len(entry.case) for entry in entries)

    def counted(entry: Entry) -> Iterator[tuple[Rows, Masks]]:
        nonlocal done
        for rows, masks in _computed(network, entry, layout, views, batch_size):
            yield rows, masks
            done += len(rows)
            progress(done, total, entry.case.name)

    for entry in entries:
        entry.write(layout.values, counted(entry))


def spoken(say: Callable[[str], None]) -> Progress:
    """A listener that says now and then how far it is, with the time left."""
    start = last = time.monotonic()

    def listen(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= _QUIET_S:
            last = now
            left = (now - start) / done * (total - done)
            end = f"in {now - start:.0f} s" if done == total else f"about {left:.0f} s left"
            say(f"Features: {done} of {total} slices, {end}")

    return listen


def _computed(
    network: SegNetwork, entry: Entry, layout: Layout, views: Views, batch_size: int
) -> Iterator[tuple[Rows, Masks]]:
    for batch in views.batches(entry.case, entry.view, batch_size):
        # The image is kept in half precision too, and what is kept should belong together.
        images = batch.images.half().float()
        features = _encoded(network, images)
        rows = layout.pack(images, [feature.cpu() for feature in features])
        if not bool(torch.isfinite(rows).all()):
            raise _not_representable(features, batch)
        yield rows.numpy(), _marked(batch)


@torch.no_grad()
def _encoded(network: SegNetwork, images: Tensor) -> list[Tensor]:
    """In full single precision, however the training computes: TF32 has no more digits than what is kept."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        on_device = images.to(network.input_mean.device, memory_format=torch.channels_last)
        return network.encode(on_device)


def _marked(batch: Batch) -> Masks:
    masks = batch.masks.numpy().astype(np.uint8)
    masks[np.broadcast_to(~batch.valid.numpy(), masks.shape)] = IGNORE
    return masks


def _not_representable(features: Sequence[Tensor], batch: Batch) -> TrainingError:
    largest = torch.stack([_magnitude(feature) for feature in features if feature.numel()])
    level, number = divmod(int(largest.argmax()), len(batch.where))
    return TrainingError(
        found=f"a feature of {float(largest.max()):.4g} at level {level} of {batch.where[number]}",
        expected=f"numbers up to {_LARGEST:g}, the largest of half precision, in which features are kept",
        fix="use strategy freeze, which computes the same features anew in every step",
        code="feature-overflow",
    )


def _magnitude(feature: Tensor) -> Tensor:
    """(batch,): the largest absolute value of each image; infinite where one is no number."""
    return feature.detach().abs().flatten(1).nan_to_num(nan=float("inf"), posinf=float("inf")).amax(dim=1).cpu()


def _shape(feature: Tensor) -> tuple[int, int, int]:
    channels, height, width = feature.shape
    return channels, height, width
