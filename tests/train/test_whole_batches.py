from collections.abc import Callable
from typing import Any

import torch

from seg.data.dataset import Batch
from seg.data.streams import Batches
from seg.train.ranks import Ranks, together
from seg.train.whole_batches import put_together


def _batch(rows: slice) -> Batch:
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)
    valid = torch.tensor([True, False, True, True]).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)
    where = tuple(f"case, slice {z}" for z in range(4))
    return Batch(images[rows], images[rows] % 2, valid[rows], where[rows], (images[rows] + 10,))


def _together() -> tuple[list[Any], ...]:
    ranks = together()
    own = _batch(ranks.own(4))
    parts: Batches = {"labelled": own, "source": Batch(own.images, own.masks, own.valid, own.where)}
    whole = put_together(ranks, parts, torch.device("cpu"))["labelled"]
    assert put_together(ranks, parts, torch.device("cpu"))["source"].features is None
    assert whole.features is not None
    numbers = (whole.images, whole.masks, whole.valid, *whole.features)
    return [tensor[:, 0, 0, 0].tolist() for tensor in numbers], list(whole.where)


def test_every_process_gets_the_whole_batch(side_by_side: Callable[..., list[Any]]):
    whole = _batch(slice(0, 4))
    expected = [[0, 1, 2, 3], [0, 1, 0, 1], [True, False, True, True], [10, 11, 12, 13]]
    assert side_by_side(2, _together) == [(expected, list(whole.where))] * 2


def test_alone_a_batch_stays_as_it_is():
    parts = {"labelled": _batch(slice(0, 4))}
    assert put_together(Ranks(), parts, torch.device("cpu")) is parts
