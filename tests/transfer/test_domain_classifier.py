import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from seg.transfer._domain_classifier import Domain, cross_fitted_odds, fit


def _two_clouds(count: int = 40, features: int = 3, shift: float = 1.0) -> tuple[NDArray, NDArray]:
    random = np.random.default_rng(0)
    is_target = np.arange(count) % 3 == 0
    return random.normal(size=(count, features)) + shift * is_target[:, None], is_target


def _domain(features: NDArray, slices_per_patient: int = 1) -> Domain:
    return Domain(features.astype(np.float32), [f"p{row // slices_per_patient}" for row in range(len(features))])


def _newton(features: NDArray, is_target: NDArray, l2: float) -> NDArray:
    """Weights and bias by Newton's method on the balanced, penalised log-likelihood, written from its derivatives."""
    design = np.hstack([features, np.ones((len(features), 1))])
    weight = np.where(is_target, 0.5 / is_target.sum(), 0.5 / (~is_target).sum())
    penalty = np.diag([l2] * features.shape[1] + [0.0])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (weight * (probability - is_target)) + penalty @ found
        hessian = (design * (weight * probability * (1 - probability))[:, None]).T @ design + penalty
        found -= np.linalg.solve(hessian, gradient)
    return found


@pytest.mark.parametrize("l2", [0.01, 1.0])
def test_the_fit_is_where_newtons_method_ends(l2: float) -> None:
    features, is_target = _two_clouds()
    weight, bias = fit(features, is_target, l2)
    assert_allclose([*weight, bias], _newton(features, is_target, l2), atol=1e-6)


def test_the_fit_does_not_depend_on_how_many_slices_a_domain_has() -> None:
    features, is_target = _two_clouds()
    more = np.concatenate([features, *[features[is_target]] * 9])
    weight, bias = fit(more, np.concatenate([is_target, np.ones(9 * is_target.sum(), dtype=bool)]), 0.1)
    expected_weight, expected_bias = fit(features, is_target, 0.1)
    assert_allclose(weight, expected_weight, atol=1e-6)
    assert bias == pytest.approx(expected_bias, abs=1e-6)


def test_odds_are_the_ratio_of_the_densities() -> None:
    random = np.random.default_rng(0)
    source, target = random.normal(0, 1, (40_000, 1)), random.normal(1, 1, (20_000, 1))
    found = cross_fitted_odds(_domain(source), _domain(target), folds=4, l2=1e-4, seed=0)
    # log N(x; 1, 1) - log N(x; 0, 1) = x - 1/2
    assert_allclose(found.log_odds, source[:, 0] - 0.5, atol=0.15)
    assert found.accuracy == pytest.approx(0.6915, abs=0.01)


def test_what_is_only_learned_by_heart_does_not_count() -> None:
    random = np.random.default_rng(0)
    source, target = random.normal(size=(60, 500)), random.normal(size=(60, 500))
    found = cross_fitted_odds(_domain(source), _domain(target), folds=5, l2=1.0, seed=0)
    assert 0.3 < found.accuracy < 0.7


def test_a_patients_slices_are_judged_by_a_classifier_that_saw_none_of_them() -> None:
    random = np.random.default_rng(0)
    # Every patient looks like nobody else, and ten times the same: told apart by heart, not by domain.
    source, target = (np.repeat(random.normal(size=(12, 300)), 10, axis=0) for _ in range(2))
    together = cross_fitted_odds(_domain(source, 10), _domain(target, 10), folds=4, l2=0.1, seed=0)
    parted = cross_fitted_odds(_domain(source), _domain(target), folds=4, l2=0.1, seed=0)
    assert together.accuracy < 0.7
    assert parted.accuracy == 1.0


def test_the_slices_of_a_lone_patient_are_parted() -> None:
    random = np.random.default_rng(0)
    source, target = random.normal(size=(40, 300)), random.normal(size=(40, 300))
    found = cross_fitted_odds(_domain(source, 40), _domain(target, 40), folds=5, l2=0.1, seed=0)
    assert found.accuracy < 0.7


@pytest.mark.parametrize("counts", [(1, 1), (1, 6), (6, 1)])
def test_domains_of_one_slice_still_give_odds(counts: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    source, target = (random.normal(size=(count, 4)) for count in counts)
    found = cross_fitted_odds(_domain(source), _domain(target), folds=5, l2=1.0, seed=0)
    assert found.log_odds.shape == (counts[0],)
    assert np.isfinite(found.log_odds).all()
    assert np.any(found.log_odds != 0)


def test_features_that_never_vary_say_nothing() -> None:
    features, is_target = _two_clouds()
    wider = np.hstack([features, np.full((len(features), 1), 7.0)])
    plain = cross_fitted_odds(_domain(features[~is_target]), _domain(features[is_target]), folds=3, l2=1.0, seed=0)
    more = cross_fitted_odds(_domain(wider[~is_target]), _domain(wider[is_target]), folds=3, l2=1.0, seed=0)
    assert_allclose(more.log_odds, plain.log_odds, atol=1e-6)


def test_the_seed_alone_draws_the_parts() -> None:
    features, is_target = _two_clouds()
    source, target = _domain(features[~is_target]), _domain(features[is_target])
    first, again, other = (cross_fitted_odds(source, target, folds=3, l2=1.0, seed=seed) for seed in (0, 0, 1))
    assert_array_equal(first.log_odds, again.log_odds)
    assert np.any(first.log_odds != other.log_odds)
