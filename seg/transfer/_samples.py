"""Feature maps as samples: the vectors that distances between two domains are taken over."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Pooled feature vectors of one domain."""

    vectors: Tensor
    """(samples, channels), at least float32."""
    images: Tensor
    """(samples,): the image of the batch that each was pooled from; vectors of one image are not independent."""


def cell_samples(feature: Tensor, cells: int) -> Samples:
    """The mean vector of each cell of a grid over the map, image after image.

    The grid has at most `cells` rows and columns, the most that divide the map's sides evenly: pooling over uneven
    cells has no deterministic gradient on a GPU.
    """
    vectors = _in_cells(feature, cells).mean(dim=-1).flatten(0, 1)
    return Samples(vectors, _images(feature, len(vectors)))


def band_samples(feature: Tensor, band: Tensor, cells: int) -> Samples:
    """The same, each mean weighted by `band` (batch, 1, y, x); cells without any of it give no vector."""
    weights = _in_cells(band.to(feature.dtype), cells)
    mass = weights.sum(dim=-1)
    vectors = ((_in_cells(feature, cells) * weights).sum(dim=-1) / mass.clamp(min=1e-6)).flatten(0, 1)
    (chosen,) = torch.nonzero(mass.flatten() > 0, as_tuple=True)
    return Samples(vectors[chosen], _images(feature, len(vectors))[chosen])


def _in_cells(feature: Tensor, cells: int) -> Tensor:
    """(batch, channel, y, x) to (batch, cell, channel, pixel), at least float32."""
    batch, channels, height, width = feature.shape
    rows, columns = _even(height, cells), _even(width, cells)
    grid = _at_least_float32(feature).reshape(batch, channels, rows, height // rows, columns, width // columns)
    return grid.permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)


def _images(feature: Tensor, samples: int) -> Tensor:
    batch = len(feature)
    return torch.arange(batch, device=feature.device).repeat_interleave(samples // batch)


def _even(side: int, cells: int) -> int:
    return max(parts for parts in range(1, cells + 1) if side % parts == 0)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
