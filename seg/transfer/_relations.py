"""How alike the regions of a slice are, and how alike the slices of a batch; neither depends on what a channel means.

That is what lets relations move between networks of unequal widths, depths and organs.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from seg.models.encoders import DPT_MAPS
from seg.models.network import SegNetwork

SHORTEST = 1e-2
"""Features shorter than this count as if they were this long.

A cell of background may be all zeros after a ReLU; its direction is then noise, and the gradient of its cosine, about
1 / length, would be far larger than everything else in the step. Typical lengths are around 1.
"""


def deepest(network: SegNetwork, features: Sequence[Tensor]) -> Tensor:
    """The deepest map of `network.encode`; not the class token of a transformer."""
    return features[DPT_MAPS - 1] if network.plain_transformer else features[-1]


def common_grid(one: Tensor, other: Tensor, cells: int) -> tuple[int, int]:
    """(y, x) cells, at most `cells` per side, that two maps of the same images can both be pooled to."""
    return min(cells, one.shape[2], other.shape[2]), min(cells, one.shape[3], other.shape[3])


def region_affinities(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cosines a_ij = f_i . f_j / (|f_i| |f_j|) between all cells of a slice, f the mean feature of a cell.

    Args:
        features: (batch, channels, y, x) float32.
        grid: Cells along y and x.

    Returns:
        (batch, cells, cells), cells counted row by row.

    Source: Liu et al. 2019 (Structured knowledge distillation for semantic segmentation), eq. 2, cells as in 3.1.
    """
    regions = F.adaptive_avg_pool2d(features, grid).flatten(2).transpose(1, 2)
    directions = regions / regions.norm(dim=2, keepdim=True).clamp(min=SHORTEST)
    affinities: Tensor = directions @ directions.transpose(1, 2)
    return affinities


def case_similarities(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Row-normalised Gram matrix (batch, batch) of slices: G = Q Q^T, each row divided by its length.

    Row b of Q is the whole map of slice b, pooled to the cells and laid out as one vector, as in the paper; means over
    the whole slice would forget where in the body something is, and be all alike.
    Source: Tung and Mori 2019 (Similarity-preserving knowledge distillation), eq. 1 to 3.
    """
    rows = F.adaptive_avg_pool2d(features, grid).flatten(1)
    gram: Tensor = rows @ rows.T
    similarities: Tensor = gram / gram.norm(dim=1, keepdim=True).clamp(min=SHORTEST**2)
    return similarities


def mean_squared_difference(one: Tensor, other: Tensor) -> Tensor:
    """Mean over all pairs (and slices) of (a_ij - b_ij)^2.

    Source: Liu et al. 2019, eq. 1, every region connected to every other; Tung and Mori 2019, eq. 4.
    """
    return F.mse_loss(one, other)
