"""U-Net decoder blocks that learn from fixed encoder maps: the same numbers with about half of the arithmetic.

A block enlarges the deeper map to twice its side, puts the encoder's map beside it and convolves both. Convolution is
linear, so each half can be convolved alone: the encoder's half then needs no gradient towards the frozen encoder, and
the enlarged half, in which four neighbours are always equal, can be calculated from the small map.
"""

from functools import lru_cache

import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock
from torch import Tensor, nn
from torch.nn import functional as F

from seg.models.network import SegNetwork

_TAPS = 9
"""Weights of a 3x3 convolution per pair of channels."""
_TRANSPOSED_TAPS = 16
"""Of the 4x4 transposed convolution that does the same to the map before it is enlarged."""


def split_blocks(network: SegNetwork) -> None:
    """Let the blocks of a U-Net decoder calculate in halves while they train, in place; names of tensors stay.

    Worth it where the encoder's maps need no gradient. In evaluation mode nothing changes, not even the rounding.
    """
    for name, block in list(network.decoder.named_modules()):
        if isinstance(block, UnetDecoderBlock):
            holder, _, place = name.rpartition(".")
            setattr(network.decoder.get_submodule(holder), place, SplitBlock(block))


class SplitBlock(nn.Module):
    """A UnetDecoderBlock, with its own layers, whose first convolution runs in halves while it trains."""

    def __init__(self, block: UnetDecoderBlock) -> None:
        """Takes the layers over from `block`, under the same names."""
        super().__init__()
        self.interpolation_mode = block.interpolation_mode
        self.conv1, self.attention1 = block.conv1, block.attention1
        self.conv2, self.attention2 = block.conv2, block.attention2

    def forward(
        self, feature_map: Tensor, target_height: int, target_width: int, skip_connection: Tensor | None = None
    ) -> Tensor:
        """What UnetDecoderBlock gives; the names of the arguments are its own."""
        if self.training and self._doubles(feature_map, target_height, target_width):
            convolution, norm, activation = self.conv1
            mixed: Tensor = activation(norm(convolve_halves(feature_map, skip_connection, convolution.weight)))
        else:
            enlarged = F.interpolate(feature_map, size=(target_height, target_width), mode=self.interpolation_mode)
            if skip_connection is not None:
                enlarged = self.attention1(torch.cat([enlarged, skip_connection], dim=1))
            mixed = self.conv1(enlarged)
        found: Tensor = self.attention2(self.conv2(mixed))
        return found

    def _doubles(self, feature_map: Tensor, height: int, width: int) -> bool:
        plain = self.interpolation_mode == "nearest" and self.conv1[0].bias is None
        return plain and feature_map.shape[2:] == (height / 2, width / 2)


def convolve_halves(deep: Tensor, skip: Tensor | None, weight: Tensor) -> Tensor:
    """The 3x3 convolution, padded with zeros, of `deep` at twice its side (nearest) with `skip` behind it."""
    # Channels last, as the weights lie in memory, so that neither they nor their gradients are rearranged; and cast
    # here, because autocast does not know what the pieces are for.
    weight = weight.permute(0, 2, 3, 1).to(deep.dtype)
    # Transformers hand out a map without channels where they see nothing.
    if skip is None or skip.shape[1] == 0:
        return _convolve_enlarged(deep, weight)
    deep_weight, skip_weight = torch.split(weight, [deep.shape[1], skip.shape[1]], dim=3)
    beside = F.conv2d(skip.to(deep.dtype), skip_weight.permute(0, 3, 1, 2), padding=1)
    return _convolve_enlarged(deep, deep_weight) + beside


def _convolve_enlarged(deep: Tensor, weight: Tensor) -> Tensor:
    channels, pixels = deep.shape[1], deep.shape[2] * deep.shape[3]
    # Multiply-adds per pixel of `deep` and channel that comes out, the spreading of the taps included.
    by_taps = _TAPS * channels + 4 * _TAPS * pixels
    return _by_taps(deep, weight) if by_taps < _TRANSPOSED_TAPS * channels else _transposed(deep, weight)


def _transposed(deep: Tensor, weight: Tensor) -> Tensor:
    """As a transposed convolution with stride 2: each pixel of `deep` reaches 4 x 4 pixels of the result."""
    reach = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    folded = torch.einsum("yk,xl,okli->ioyx", reach, reach, weight)
    return F.conv_transpose2d(deep, folded, stride=2, padding=1)


def _by_taps(deep: Tensor, weight: Tensor) -> Tensor:
    """The product of each of the nine taps with each pixel of `deep`, and then the sums of those that meet.

    The fewest multiply-adds with many channels on few pixels, where folding the weights would cost more than it saves.
    """
    batch, channels, height, width = deep.shape
    products = deep.permute(0, 2, 3, 1).reshape(-1, channels) @ weight.reshape(-1, channels).T
    arriving = products.view(batch, height * width, -1, _TAPS).transpose(2, 3).flatten(1, 2)
    sums = _meeting(height, width).to(products) @ arriving
    return sums.view(batch, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _meeting(height: int, width: int) -> Tensor:
    """(pixels of the result, pixels of the small map and taps): 1 where a product counts towards a pixel."""
    rows, columns = _meeting_along(height), _meeting_along(width)
    return torch.einsum("ahk,bwl->abhwkl", rows, columns).reshape(4 * height * width, -1)


def _meeting_along(side: int) -> Tensor:
    """(2 * side, side, 3): 1 where a pixel of the result sees, through a tap, a pixel of the small map."""
    seen = torch.arange(2 * side)[:, None] + torch.tensor([-1, 0, 1])
    inside = (seen >= 0) & (seen < 2 * side)
    met = (seen // 2)[:, None, :] == torch.arange(side)[None, :, None]
    return (met & inside[:, None, :]).float()
