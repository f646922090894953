from collections.abc import Callable

import numpy as np
import pytest
import torch

from seg.transfer._samples import Samples
from seg.transfer.coral import Coral, CoralSettings, coral_distance, mean_distance, mean_variance


def _vectors(count: int, channels: int = 5, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, channels, generator=random, dtype=torch.float64)


def _samples(vectors: torch.Tensor) -> Samples:
    return Samples(vectors, torch.arange(len(vectors)))


@pytest.mark.parametrize(("sources", "targets"), [(8, 8), (3, 20), (2, 2)])
def test_it_is_the_papers_formula_for_any_two_numbers_of_samples(sources, targets) -> None:
    source, target = _vectors(sources), _vectors(targets, seed=1, scale=2)
    difference = np.cov(source.numpy(), rowvar=False) - np.cov(target.numpy(), rowvar=False)
    expected = np.linalg.norm(difference, "fro") ** 2 / (4 * 5**2)
    assert float(coral_distance(source, target)) == pytest.approx(expected, rel=1e-10)


def test_the_means_term_is_the_mean_squared_difference_of_means() -> None:
    source, target = _vectors(6), _vectors(4, seed=1)
    expected = np.mean((source.numpy().mean(0) - target.numpy().mean(0)) ** 2)
    assert float(mean_distance(source, target)) == pytest.approx(expected)


def test_gradients_are_exact() -> None:
    source, target = _vectors(4).requires_grad_(), _vectors(6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(coral_distance, (source, target))
    assert torch.autograd.gradcheck(mean_distance, (source, target))


def test_a_shift_moves_no_covariance() -> None:
    source = _vectors(9)
    assert float(coral_distance(source, source + 5)) == pytest.approx(0, abs=1e-12)
    assert float(mean_distance(source, source + 5)) == pytest.approx(25)


def test_the_knobs_say_what_is_in_the_term(task_of: Callable[..., object]) -> None:
    source, target = _samples(_vectors(12)), _samples(_vectors(10, seed=1, scale=3) + 1)
    pair = source.vectors, target.vectors
    plain = Coral(task_of(), CoralSettings(relative=False)).term(source, target, 2.0)
    assert float(plain) == pytest.approx(2 * float(coral_distance(*pair)))
    means = Coral(task_of(), CoralSettings(relative=False, means=True)).term(source, target, 2.0)
    assert float(means) == pytest.approx(2 * float(coral_distance(*pair) + mean_distance(*pair)))
    relative = Coral(task_of(), CoralSettings()).term(source, target, 1.0)
    variance = np.concatenate([side.numpy() for side in pair]).var(axis=0, ddof=1).mean()
    assert float(relative) == pytest.approx(float(coral_distance(*pair)) / variance**2)
    assert float(mean_variance(*pair)) == pytest.approx(variance)


def test_relative_to_their_variance_the_scale_of_features_does_not_matter(task_of) -> None:
    coral = Coral(task_of(), CoralSettings(means=True))
    source, target = _vectors(12), _vectors(10, seed=1, scale=3) + 1
    small = coral.term(_samples(source), _samples(target), 1.0)
    large = coral.term(_samples(100 * source), _samples(100 * target), 1.0)
    assert float(small) == pytest.approx(float(large))


def test_relative_to_their_variance_features_gain_nothing_by_shrinking(task_of) -> None:
    source, target = _vectors(12).requires_grad_(), (_vectors(10, seed=1, scale=3) + 1).requires_grad_()
    for relative, gains in ((True, False), (False, True)):
        term = Coral(task_of(), CoralSettings(relative=relative)).term(_samples(source), _samples(target), 1.0)
        slopes = torch.autograd.grad(term, (source, target))
        along_scale = sum(
            float((side.detach() * slope).sum()) for side, slope in zip((source, target), slopes, strict=True)
        )
        assert (along_scale > 1e-3) == gains


def test_a_side_without_two_samples_gives_0_and_equal_features_a_finite_gradient(task_of) -> None:
    coral = Coral(task_of(), CoralSettings())
    for sources, targets in ((1, 8), (8, 1), (0, 0)):
        assert float(coral.term(_samples(_vectors(sources)), _samples(_vectors(targets)), 1.0)) == 0
    same = torch.full((6, 5), 2.0).requires_grad_()
    (gradient,) = torch.autograd.grad(coral.term(_samples(same[:3]), _samples(same[3:]), 1.0), same)
    assert torch.isfinite(gradient).all()


def test_minimising_it_makes_covariances_alike() -> None:
    source = _vectors(64)
    target = _vectors(64, seed=1) @ _vectors(5, seed=2)
    mixing = torch.eye(5, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([mixing], lr=0.02)
    values = []
    for _ in range(300):
        value = coral_distance(source, target @ mixing)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < values[0] / 100
