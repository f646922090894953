"""How the encoder's maps of a slice lie in one row of half-precision numbers."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, int, int]
"""(channel, y, x)."""
Row = NDArray[np.float16]


@dataclass(frozen=True)
class Layout:
    """The maps of one slice, the deepest first, and then the image they were made from."""

    image: Shape
    maps: tuple[Shape, ...]
    """As `SegNetwork.encode` gives them."""

    @property
    def parts(self) -> tuple[Shape, ...]:
        """In the order of the row."""
        return (*reversed(self.maps), self.image)

    @property
    def values(self) -> int:
        """Numbers in a row."""
        return sum(math.prod(part) for part in self.parts)

    def pack(self, image: Tensor, features: Sequence[Tensor]) -> Tensor:
        """(batch, values) in half precision; what does not fit is infinite there.

        Channels are the innermost axis: convolutions want them so, and the row can then be used as it lies.
        """
        parts = [part.permute(0, 2, 3, 1).flatten(1) for part in (*reversed(features), image)]
        return torch.cat(parts, dim=1).half()

    def unpack(self, rows: Sequence[Row]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Images in single precision, and the maps in half precision, as `encode` gives them."""
        *maps, image = (_batch(rows, part, shape) for part, shape in zip(self._slices(), self.parts, strict=True))
        return image.float(), tuple(reversed(maps))

    def _slices(self) -> Iterator[slice]:
        start = 0
        for part in self.parts:
            yield slice(start, start := start + math.prod(part))


def _batch(rows: Sequence[Row], part: slice, shape: Shape) -> Tensor:
    channels, height, width = shape
    flat = torch.from_numpy(np.stack([row[part] for row in rows]))
    return flat.view(len(rows), height, width, channels).permute(0, 3, 1, 2)
