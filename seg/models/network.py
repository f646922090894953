"""The network: an encoder, a decoder, a mask head and an edge head, each reachable on its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seg import config
from seg.errors import UsageError
from seg.models.encoders import DPT_MAPS, Parts, build_parts, input_statistics
from seg.models.heads import Head
from seg.models.weights import WeightReport, load_weights

EDGE_HIDDEN = 16
"""Width of the edge head's hidden layer."""
SIZE_STEP = 32
"""Images must be a multiple of this many pixels on each side: the coarsest stage of every encoder."""


@dataclass
class Output:
    """What one forward pass gives; everything is differentiable."""

    masks: Tensor
    """(b, organs, y, x) logits."""
    edges: Tensor | None
    """(b, organs, y, x) logits of the boundary bands; None without an edge head."""
    features: list[Tensor]
    """What `SegNetwork.encode` gives."""
    decoded: Tensor
    """(b, channels, y, x) what both heads read; at half the image's resolution after a plain transformer."""


class SegNetwork(nn.Module):
    """Segments organs and their boundary bands; normalises its input itself, so that comes with the weights.

    The names of its tensors start with `encoder.`, `decoder.`, `mask_head.` or `edge_head.`; the buffers `input_mean`
    and `input_std` hold one value per channel.
    """

    input_mean: Tensor
    input_std: Tensor

    def __init__(self, parts: Parts, organs: int, mean: list[float], std: list[float], *, edge_head: bool) -> None:
        """`mean` and `std` are subtracted from and divide images in [0, 1], one value per channel."""
        super().__init__()
        self.plain_transformer = parts.plain_transformer
        self.encoder = parts.encoder
        self.decoder = parts.decoder
        self.mask_head = Head(parts.width, organs, scale=parts.scale)
        self.edge_head = Head(parts.width, organs, hidden=EDGE_HIDDEN, scale=parts.scale) if edge_head else None
        self.register_buffer("input_mean", torch.tensor(mean))
        self.register_buffer("input_std", torch.tensor(std))

    def forward(self, images: Tensor) -> Output:
        """Images (b, channels, y, x), floating and about in [0, 1], to logits; y and x multiples of 32."""
        return self.read(self.encode(images))

    def read(self, features: Sequence[Tensor]) -> Output:
        """What decoder and heads make of the result of `encode`."""
        decoded = self.decode(list(features))
        edges = None if self.edge_head is None else self.edge_head(decoded)
        return Output(masks=self.mask_head(decoded), edges=edges, features=list(features), decoded=decoded)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Everything `decode` needs, highest resolution first.

        A pyramid starts with the normalised image itself; transformers have a map without channels at half resolution,
        where they see nothing. A plain transformer gives maps of one resolution, shallow to deep, and then,
        where it has one, the class token of each as a (b, channels, 1, 1) map.
        """
        self._check(images)
        found = self.encoder(self._normalised(images))
        if not self.plain_transformer:
            return list(found)
        maps, tokens = found
        return [*maps, *(token[:, 0, :, None, None] for token in tokens if token is not None)]

    def decode(self, features: list[Tensor]) -> Tensor:
        """What the heads read, (b, channels, y, x), from the result of `encode`."""
        decoded: Tensor
        if not self.plain_transformer:
            decoded = self.decoder(features)
            return decoded
        tokens = [feature.flatten(2).transpose(1, 2) for feature in features[DPT_MAPS:]]
        decoded = self.decoder(features[:DPT_MAPS], tokens or [None] * DPT_MAPS)
        return decoded

    def _normalised(self, images: Tensor) -> Tensor:
        scale = (1 / self.input_std).to(images.dtype)[:, None, None]
        shift = (-self.input_mean / self.input_std).to(images.dtype)[:, None, None]
        return torch.addcmul(shift, images, scale)

    def _check(self, images: Tensor) -> None:
        channels, *size = images.shape[1:]
        if channels != len(self.input_mean) or any(side % SIZE_STEP for side in size):
            raise UsageError(
                found=f"images of {channels} channels and {' x '.join(map(str, size))} pixels",
                expected=f"{len(self.input_mean)} channels and sides that are multiples of {SIZE_STEP}",
                fix="prepare images with the settings the network was trained with",
                code="image-shape",
            )


def build_network(settings: config.Model, organs: int, channels: int) -> tuple[SegNetwork, WeightReport]:
    """The network of the settings on the CPU, with its weights loaded, and what was loaded.

    Raises UsageError for an encoder that is unknown or does not suit, CheckpointError for weights that cannot be had
    or do not fit.
    """
    name = settings.encoder
    parts = build_parts(name, channels, settings.decoder_channels)
    mean, std = input_statistics(name, channels)
    network = SegNetwork(parts, organs, mean, std, edge_head=settings.edge_head)
    return network, load_weights(network, settings, channels)
