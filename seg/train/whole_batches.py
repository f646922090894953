"""Batches whose slices several processes have loaded, put together for all of them."""

import torch

from seg.data.dataset import Batch
from seg.data.streams import Batches
from seg.train.ranks import Ranks


def put_together(ranks: Ranks, parts: Batches, device: torch.device) -> Batches:
    """The whole batches, on the device, from the part that each process loaded; alone, the batches as they are.

    Images travel too: components may look at every slice, and over a network they are little beside the gradients.
    """
    if ranks.count == 1:
        return parts
    here = {name: part.to(device) for name, part in parts.items()}
    where = ranks.exchanged({name: part.where for name, part in parts.items()})
    return {
        name: Batch(
            images=ranks.rows(part.images),
            masks=ranks.rows(part.masks),
            valid=ranks.rows(part.valid),
            where=tuple(slice_name for names in where for slice_name in names[name]),
            features=None if part.features is None else tuple(ranks.rows(feature) for feature in part.features),
        )
        for name, part in here.items()
    }
