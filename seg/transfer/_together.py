"""Passes through the learning network beside the ones that every component shares."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seg.transfer._views import WEAK
from seg.transfer.component import Forward


def maps_together(forward: Forward, streams: Sequence[str]) -> Sequence[Tensor]:
    """What `SegNetwork.encode` gives for the slices of several streams as one batch, in the streams' order.

    Batch norms then treat all domains alike. Each normalised by its own batch, means and variances would agree by
    construction, and a distance between domains would see nothing of what tells them apart. The running statistics of
    such a mixture would fit neither domain: call it under `statistics_held`.
    Source: one batch of both domains, as in the code of Long et al. 2015 and Ganin et al. 2016.
    """
    batches = [forward.batches[stream] for stream in streams]
    if all(batch.features is None for batch in batches):
        return forward.encoded(forward.network, torch.cat([batch.images for batch in batches]))
    made = [forward.network.encode(batch.images) if batch.features is None else batch.features for batch in batches]
    return [torch.cat(maps) for maps in zip(*made, strict=True)]


@torch.no_grad()
def move_statistics(forward: Forward, stream: str) -> None:
    """Let the running norm statistics follow a stream's slices, as they were loaded, without gradients."""
    loaded = WEAK if stream == "unlabelled" and WEAK in forward.batches else stream
    alone = Forward(forward.network, {stream: forward.batches[loaded]}, forward.progress)
    device = next(forward.network.parameters()).device.type
    # Older versions of torch keep the weights that autocast casts here for later passes, without a gradient.
    with torch.autocast(
        device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device), cache_enabled=False
    ):
        alone.output(stream)
