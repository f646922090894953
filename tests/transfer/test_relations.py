import numpy as np
import pytest
import torch
from torch import Tensor

from seg.config import Model
from seg.models.network import build_network
from seg.transfer._relations import (
    case_similarities,
    common_grid,
    deepest,
    mean_squared_difference,
    region_affinities,
)


def _features(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 0.3


def _cells(features: Tensor, grid: tuple[int, int]) -> np.ndarray:
    """(batch, cell, channel) means of equal blocks, by loops."""
    maps = features.double().numpy()
    batch, channels, height, width = maps.shape
    tall, wide = height // grid[0], width // grid[1]
    found = np.zeros((batch, grid[0] * grid[1], channels))
    for b in range(batch):
        for y in range(grid[0]):
            for x in range(grid[1]):
                for c in range(channels):
                    block = maps[b, c, y * tall : (y + 1) * tall, x * wide : (x + 1) * wide]
                    found[b, y * grid[1] + x, c] = sum(block.ravel()) / block.size
    return found


def _pairwise_term(theirs: Tensor, ours: Tensor, grid: tuple[int, int]) -> float:
    """Liu et al. 2019, eq. 1 and 2, pair by pair."""
    total, pairs = 0.0, 0
    for first, second in zip(_cells(theirs, grid), _cells(ours, grid), strict=True):
        for i in range(len(first)):
            for j in range(len(first)):
                a = first[i] @ first[j] / (np.linalg.norm(first[i]) * np.linalg.norm(first[j]))
                b = second[i] @ second[j] / (np.linalg.norm(second[i]) * np.linalg.norm(second[j]))
                total, pairs = total + (a - b) ** 2, pairs + 1
    return total / pairs


def _similarity_preserving_term(theirs: Tensor, ours: Tensor, grid: tuple[int, int]) -> float:
    """Tung and Mori 2019, eq. 1 to 4, entry by entry."""
    grams = []
    for features in (theirs, ours):
        rows = [cells.ravel() for cells in _cells(features, grid)]
        gram = [[sum(p * q for p, q in zip(one, other, strict=True)) for other in rows] for one in rows]
        grams.append([[value / np.sqrt(sum(v * v for v in row)) for value in row] for row in gram])
    batch = len(grams[0])
    total = sum((grams[0][i][j] - grams[1][i][j]) ** 2 for i in range(batch) for j in range(batch))
    return float(total / batch**2)


@pytest.mark.parametrize("grid", [(2, 3), (4, 6), (1, 1), (8, 12)])
def test_the_region_term_is_the_papers_double_sum(grid: tuple[int, int]) -> None:
    theirs, ours = _features(2, 5, 8, 12), _features(2, 9, 8, 12, seed=1)
    found = mean_squared_difference(region_affinities(theirs, grid), region_affinities(ours, grid))
    assert float(found) == pytest.approx(_pairwise_term(theirs, ours, grid), rel=1e-4, abs=1e-10)


@pytest.mark.parametrize("grid", [(2, 3), (8, 12)])
def test_the_case_term_is_the_papers_double_sum(grid: tuple[int, int]) -> None:
    theirs, ours = _features(5, 3, 8, 12), _features(5, 7, 8, 12, seed=1)
    found = mean_squared_difference(case_similarities(theirs, grid), case_similarities(ours, grid))
    assert float(found) == pytest.approx(_similarity_preserving_term(theirs, ours, grid), rel=1e-4)


def test_relations_do_not_see_a_rotation_or_the_scale_of_the_channels() -> None:
    features = _features(3, 6, 4, 4)
    turn = torch.linalg.qr(_features(6, 6, seed=2)).Q
    turned = 2.5 * torch.einsum("dc,bcyx->bdyx", turn, features)
    for relation in (region_affinities, case_similarities):
        assert torch.allclose(relation(features, (4, 4)), relation(turned, (4, 4)), atol=1e-5)


def test_maps_of_unequal_resolution_are_compared_on_the_coarser_ones_cells() -> None:
    fine, coarse = torch.zeros(1, 2, 8, 16), torch.zeros(1, 3, 4, 4)
    assert common_grid(fine, coarse, 6) == (4, 4)
    assert common_grid(coarse, fine, 6) == (4, 4)
    assert common_grid(fine, fine, 6) == (6, 6)


def test_cells_of_zeros_are_alike_to_nothing_and_have_small_gradients() -> None:
    features = _features(1, 4, 4, 4)
    features[:, :, :2] = 0
    features.requires_grad_()
    affinities = region_affinities(features, (4, 4))
    assert float(affinities[0, 0].abs().max().detach()) == 0
    (gradient,) = torch.autograd.grad(mean_squared_difference(affinities, torch.ones_like(affinities)), features)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) < 100
    empty = torch.zeros(2, 4, 4, 4, requires_grad=True)
    (nothing,) = torch.autograd.grad(case_similarities(empty, (2, 2)).square().sum(), empty)
    assert float(nothing.abs().max()) == 0


def test_the_deepest_map_of_a_plain_transformer_is_its_last_map_not_its_token() -> None:
    model = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8))
    network, _ = build_network(model, 1, 3)
    maps = [torch.full((1, 2, 4, 4), float(number)) for number in range(4)]
    assert deepest(network, maps) is maps[3]
    network.plain_transformer = True
    assert deepest(network, [*maps, torch.zeros(1, 2, 1, 1)]) is maps[3]
