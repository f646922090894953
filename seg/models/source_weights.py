"""Which tensors of a source's network go where (interim: everything that fits)."""

from pathlib import Path
from typing import Literal

from seg.models.network import SegNetwork
from seg.models.weights import WeightReport, load_weight_file

Parts = Literal["encoder", "encoder_decoder", "all"]


def load_source(
    network: SegNetwork, path: Path, *, parts: Parts, source_organs: tuple[str, ...], organs: tuple[str, ...]
) -> WeightReport:
    """Put a source's weights into `network`."""
    return load_weight_file(network, path)
