"""What predicts the source's organs: the network's own channels, and further ones for organs that the target lacks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seg.models.heads import Head
from seg.models.network import Output, SegNetwork
from seg.transfer.component import Source


class SourceHeads(nn.Module):
    """Logits of every source organ from one pass of the learning network.

    An organ that the target has too is predicted by the network's own channels, which so learn it from both domains.
    Any other one has outputs of its own that end with the training. Its boundary is read from the hidden layer
    of the network's edge head: what a boundary looks like is shared between organs, whose boundary it is must not be,
    for on the target's scans the same boundary counts as background.
    """

    def __init__(self, network: SegNetwork, organs: Sequence[str], source_organs: Sequence[str], seed: int) -> None:
        """`organs` are the network's, `source_organs` what is to be predicted; `seed` draws the outputs' start."""
        super().__init__()
        self.others = tuple(organ for organ in source_organs if organ not in organs)
        known = (*organs, *self.others)
        self._channels = [known.index(organ) for organ in source_organs]
        self.masks: Head | None = None
        self.edges: Head | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.others:
                self.masks = _further(network.mask_head, len(self.others))
            if self.others and network.edge_head is not None:
                self.edges = _further(network.edge_head, len(self.others))
        self.to(network.input_mean.device)

    def start_from(self, source: Source) -> None:
        """Begin with what the source's model knows of the organs."""
        network = source.load()
        _copy_rows(self.masks, self.others, network.mask_head, source.organs)
        _copy_rows(self.edges, self.others, network.edge_head, source.organs)

    def forward(self, network: SegNetwork, output: Output) -> tuple[Tensor, Tensor | None]:
        """Logits of masks and boundary bands, (b, source organs, y, x); no bands without an edge head."""
        masks = output.masks if self.masks is None else torch.cat([output.masks, self.masks(output.decoded)], 1)
        edges = output.edges
        if edges is not None and network.edge_head is not None and self.edges is not None:
            hidden = network.edge_head.activation(network.edge_head.hidden(output.decoded))
            edges = torch.cat([edges, self.edges(hidden)], 1)
        return masks[:, self._channels], None if edges is None else edges[:, self._channels]


def _further(head: Head, organs: int) -> Head:
    """Outputs that read what the head's own last layer reads."""
    return Head(head.out.weight.shape[1], organs, scale=head.scale)


@torch.no_grad()
def _copy_rows(head: Head | None, organs: Sequence[str], found: Head | None, found_organs: Sequence[str]) -> None:
    if head is None or found is None or found.out.weight.shape[1:] != head.out.weight.shape[1:]:
        return
    for row, organ in enumerate(organs):
        if organ in found_organs:
            head.out.weight[row].copy_(found.out.weight[found_organs.index(organ)])
            if head.out.bias is not None and found.out.bias is not None:
                head.out.bias[row].copy_(found.out.bias[found_organs.index(organ)])
