import math

import numpy as np
import pytest
import torch

from seg.transfer._samples import Samples
from seg.transfer.mmd import mmd_squared, squared_distances


def _samples(count: int, channels: int = 4, shift: float = 0.0, per_image: int = 1, seed: int = 0) -> Samples:
    random = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count * per_image, channels, generator=random, dtype=torch.float64) + shift
    return Samples(vectors, torch.arange(count).repeat_interleave(per_image))


def _by_loops(source: Samples, target: Samples) -> float:
    """Gretton et al. 2012, eq. 3, with the mean of five Gaussian kernels, over pairs of two images."""
    one, other = source.vectors.detach().numpy(), target.vectors.detach().numpy()
    everything = np.concatenate([one, other])
    between = [
        float(((a - b) ** 2).sum()) for i, a in enumerate(everything) for j, b in enumerate(everything) if i != j
    ]
    mean = sum(between) / len(between)

    def kernel(a, b) -> float:
        distance = float(((a - b) ** 2).sum())
        return sum(math.exp(-distance / (2 * 2.0**k * mean)) for k in (-3, -2, -1, 0, 1)) / 5

    def within(samples: Samples, vectors) -> float:
        images = samples.images.tolist()
        pairs = [(i, j) for i in range(len(vectors)) for j in range(len(vectors)) if images[i] != images[j]]
        return sum(kernel(vectors[i], vectors[j]) for i, j in pairs) / len(pairs)

    across = sum(kernel(a, b) for a in one for b in other) / (len(one) * len(other))
    return within(source, one) + within(target, other) - 2 * across


@pytest.mark.parametrize(("sources", "targets", "per_image"), [(8, 8, 1), (3, 7, 1), (2, 5, 3), (9, 2, 4)])
def test_it_is_the_formula_for_any_two_numbers_of_samples(sources, targets, per_image) -> None:
    source, target = _samples(sources, per_image=per_image), _samples(targets, shift=0.7, per_image=per_image, seed=1)
    assert float(mmd_squared(source, target)) == pytest.approx(_by_loops(source, target), rel=1e-9)


def test_it_is_exact_in_single_precision_even_far_from_the_origin() -> None:
    source, target = _samples(6, shift=100), _samples(5, shift=101, seed=1)
    single = mmd_squared(*(Samples(side.vectors.float(), side.images) for side in (source, target)))
    assert float(single) == pytest.approx(_by_loops(source, target), abs=1e-5)


def test_distances_are_those_of_every_pair() -> None:
    vectors = _samples(7).vectors
    expected = [[float(((a - b) ** 2).sum()) for b in vectors] for a in vectors]
    np.testing.assert_allclose(squared_distances(vectors).numpy(), expected, atol=1e-12)


def test_the_slope_is_that_of_the_formula_with_the_bandwidths_held() -> None:
    source, target = _samples(4), _samples(3, shift=0.5, seed=1)
    step, held = 1e-6, squared_distances(torch.cat([source.vectors, target.vectors]))
    mean = float(held.sum() / (7 * 6))

    def value(vectors: torch.Tensor) -> torch.Tensor:
        distances = (vectors[:, None] - vectors[None]).square().sum(dim=2)
        kernel = sum(torch.exp(-distances / (2 * 2.0**k * mean)) for k in range(-3, 2)) / 5
        off = 1 - torch.eye(7, dtype=torch.float64)
        return (kernel * off)[:4, :4].sum() / 12 + (kernel * off)[4:, 4:].sum() / 6 - 2 * kernel[:4, 4:].mean()

    vectors = torch.cat([source.vectors, target.vectors]).requires_grad_()
    (slope,) = torch.autograd.grad(
        mmd_squared(Samples(vectors[:4], source.images), Samples(vectors[4:], target.images)), vectors
    )
    for row, column in ((0, 0), (3, 2), (5, 1)):
        moved = [vectors.detach().clone() for _ in range(2)]
        moved[0][row, column] += step
        moved[1][row, column] -= step
        numeric = (value(moved[0]) - value(moved[1])) / (2 * step)
        assert float(slope[row, column]) == pytest.approx(float(numeric), rel=1e-5)
    assert torch.autograd.gradcheck(squared_distances, (vectors,))


def test_two_draws_of_one_distribution_are_at_distance_0_on_average() -> None:
    values = [float(mmd_squared(_samples(5, seed=2 * draw), _samples(9, seed=2 * draw + 1))) for draw in range(400)]
    error = np.std(values) / 20
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0


def test_cells_of_one_image_that_are_alike_are_no_difference_of_domains() -> None:
    def drawn(seed: int) -> Samples:
        base = _samples(6, seed=seed)
        noise = _samples(24, seed=seed + 10_000).vectors * 0.1
        return Samples(base.vectors.repeat_interleave(4, dim=0) + noise, base.images.repeat_interleave(4))

    values = [float(mmd_squared(drawn(2 * draw), drawn(2 * draw + 1))) for draw in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(300)


def test_it_grows_with_the_shift_between_the_domains() -> None:
    values = [float(mmd_squared(_samples(30), _samples(30, shift=shift, seed=1))) for shift in (0, 0.5, 1, 2)]
    assert values == sorted(values)
    assert values[-1] > 0.3


def test_the_scale_of_the_features_does_not_matter() -> None:
    source, target = _samples(8), _samples(8, shift=1, seed=1)
    larger = [Samples(50 * side.vectors, side.images) for side in (source, target)]
    assert float(mmd_squared(*larger)) == pytest.approx(float(mmd_squared(source, target)))


@pytest.mark.parametrize(("sources", "targets"), [(1, 8), (8, 1), (1, 1), (0, 8), (0, 0)])
def test_a_side_without_two_images_gives_0_and_no_gradient(sources, targets) -> None:
    source, target = _samples(sources, per_image=3), _samples(targets, per_image=3, seed=1)
    for side in (source, target):
        side.vectors.requires_grad_()
    value = mmd_squared(source, target)
    assert float(value.detach()) == 0
    for gradient in torch.autograd.grad(value, (source.vectors, target.vectors)):
        assert not gradient.any()


def test_features_that_are_all_the_same_have_finite_gradients() -> None:
    for fill in (0.0, 3.3):
        vectors = torch.full((6, 5), fill).requires_grad_()
        value = mmd_squared(Samples(vectors[:3], torch.arange(3)), Samples(vectors[3:], torch.arange(3)))
        (gradient,) = torch.autograd.grad(value, vectors)
        assert float(value.detach()) == pytest.approx(0, abs=1e-6)
        assert torch.isfinite(gradient).all()


def test_minimising_it_brings_two_distributions_together() -> None:
    source, target = _samples(32).vectors, _samples(24, seed=1).vectors * 2 + 3
    scale, shift = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    learned = [scale.requires_grad_(), shift.requires_grad_()]
    optimizer = torch.optim.Adam(learned, lr=0.1)
    values = []
    for _ in range(80):
        moved = Samples(target * scale + shift, torch.arange(24))
        value = mmd_squared(Samples(source, torch.arange(32)), moved)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[0] > 0.3
    assert values[-1] < 0.02
    assert float((target * scale + shift).mean().detach()) == pytest.approx(float(source.mean()), abs=0.3)
