import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from seg.advise.measures.log_me import log_me


def _evidence(features: NDArray, wanted: NDArray, alpha: float, beta: float) -> float:
    """log N(y; 0, F F' / alpha + I / beta), the marginal of y = F w + noise, without any algebra of the paper."""
    samples = len(wanted)
    covariance = features @ features.T / alpha + np.eye(samples) / beta
    _, log_determinant = np.linalg.slogdet(covariance)
    quadratic = wanted @ np.linalg.solve(covariance, wanted)
    return float(-(samples * math.log(2 * math.pi) + log_determinant + quadratic) / 2)


def _brute_force(features: NDArray, labels: NDArray) -> float:
    """The best of a grid of alpha and beta, improved by gradients from there; mean over the labels, per sample."""
    found = []
    for label in np.unique(labels):
        wanted = (labels == label).astype(float)

        def loss(logs: NDArray, wanted: NDArray = wanted) -> float:
            return -_evidence(features, wanted, *np.exp(logs))

        grid = sorted(itertools.product(np.linspace(-6, 18, 13), np.linspace(-2, 8, 6)), key=loss)
        ends = [minimize(loss, start, bounds=[(-10, 25), (-5, 10)], options={"ftol": 1e-14}) for start in grid[:3]]
        found.append(max(-float(end.fun) for end in ends))
    return float(np.mean(found)) / len(labels)


def _sample(samples: int = 40, width: int = 5, classes: int = 2, signal: float = 1.0) -> tuple[NDArray, NDArray]:
    random = np.random.default_rng(samples + width)
    labels = np.arange(samples) % classes
    return random.normal(size=(samples, width)) + signal * (labels[:, None] == np.arange(width)), labels


@pytest.mark.parametrize(
    ("samples", "width", "classes"), [(40, 5, 2), (40, 5, 3), (12, 30, 2)], ids=["two", "three", "more columns"]
)
def test_it_is_the_maximum_of_the_evidence_over_both_precisions(samples: int, width: int, classes: int) -> None:
    features, labels = _sample(samples, width, classes)
    assert log_me(features, labels) == pytest.approx(_brute_force(features, labels), abs=1e-5)


def test_columns_that_depend_on_others_are_counted_as_the_definition_says() -> None:
    features, labels = _sample()
    wider = np.hstack([features, features[:, :2], np.zeros((len(features), 3))])
    assert log_me(wider, labels) == pytest.approx(_brute_force(wider, labels), abs=1e-5)


def _by_the_papers_loop(features: NDArray, labels: NDArray) -> float:
    """Algorithm 1 of the paper (2021): full matrices A and m, all D columns in the determinant."""
    samples, width = features.shape
    found = []
    for label in np.unique(labels):
        wanted, alpha, beta = (labels == label).astype(float), 1.0, 1.0
        for _ in range(500):
            matrix = alpha * np.eye(width) + beta * features.T @ features
            weights = beta * np.linalg.solve(matrix, features.T @ wanted)
            eigenvalues = beta * np.linalg.eigvalsh(features.T @ features)
            gamma = (eigenvalues / (alpha + eigenvalues)).sum()
            alpha, beta = gamma / (weights @ weights), (samples - gamma) / ((wanted - features @ weights) ** 2).sum()
        matrix = alpha * np.eye(width) + beta * features.T @ features
        found.append(
            samples / 2 * np.log(beta) + width / 2 * np.log(alpha) - samples / 2 * np.log(2 * np.pi)
            - beta / 2 * ((wanted - features @ weights) ** 2).sum() - alpha / 2 * weights @ weights
            - np.linalg.slogdet(matrix)[1] / 2
        )  # fmt: skip
    return float(np.mean(found)) / samples


@pytest.mark.parametrize("signal", [0.2, 1.0, 3.0])
def test_it_is_where_the_papers_iteration_ends(signal: float) -> None:
    features, labels = _sample(200, 8, 2, signal)
    assert log_me(features, labels) == pytest.approx(_by_the_papers_loop(features, labels), abs=1e-5)


def test_permuting_turning_and_scaling_features_change_nothing() -> None:
    features, labels = _sample()
    random = np.random.default_rng(0)
    turned, _ = np.linalg.qr(random.normal(size=(5, 5)))
    expected = log_me(features, labels)
    for changed in (features[:, random.permutation(5)], features @ turned, 1e3 * features, 1e-3 * features):
        assert log_me(changed, labels) == pytest.approx(expected, abs=1e-8)


def test_features_that_tell_more_of_the_labels_have_more_evidence() -> None:
    values = [log_me(*_sample(signal=signal)) for signal in (0.0, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[2] > values[0] + 0.1


def test_features_that_fit_exactly_or_say_nothing_have_finite_evidence() -> None:
    labels = np.arange(20) % 2
    exact, nothing = np.stack([labels, 1 - labels], axis=1).astype(float), np.zeros((20, 2))
    # Without any weights y ~ N(0, 1 / beta), at its best beta = n / y'y = 2.
    assert log_me(nothing, labels) == pytest.approx(-(math.log(2 * math.pi / 2) + 1) / 2)
    assert math.isfinite(log_me(exact, labels))
    assert log_me(exact, labels) > log_me(nothing, labels) + 1


def test_one_label_alone_is_undefined() -> None:
    assert math.isnan(log_me(np.ones((4, 2)), np.ones(4, dtype=np.int64)))
