import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from seg.advise.measures.h_score import h_score, shrunk_covariance


def _sample(samples: int = 60, width: int = 6, classes: int = 3, signal: float = 1.0) -> tuple[NDArray, NDArray]:
    random = np.random.default_rng(samples + width)
    labels = np.arange(samples) % classes
    mixing = random.normal(size=(width, width))
    return (random.normal(size=(samples, width)) + signal * (labels[:, None] == np.arange(width))) @ mixing, labels


def _ledoit_wolf(centred: NDArray) -> tuple[NDArray, float]:
    """Sums over samples as in the paper, with |A|^2 = tr(A A') / d."""
    samples, width = centred.shape
    sample_covariance = sum(np.outer(x, x) for x in centred) / samples

    def squared(matrix: NDArray) -> float:
        return float(np.trace(matrix @ matrix.T)) / width

    mean = float(np.trace(sample_covariance)) / width
    dispersion = squared(sample_covariance - mean * np.eye(width))
    noise = sum(squared(np.outer(x, x) - sample_covariance) for x in centred) / samples**2
    share = min(noise, dispersion) / dispersion
    return share * mean * np.eye(width) + (1 - share) * sample_covariance, share


@pytest.mark.parametrize(("samples", "width"), [(60, 6), (15, 40), (2000, 4)])
def test_shrinkage_is_ledoit_and_wolfs(samples: int, width: int) -> None:
    features, _ = _sample(samples, width)
    centred = features - features.mean(axis=0)
    covariance, share = shrunk_covariance(centred)
    expected, expected_share = _ledoit_wolf(centred)
    assert share == pytest.approx(expected_share, abs=1e-10)
    assert_allclose(covariance, expected, atol=1e-8)
    assert 0 < share < 1


@pytest.mark.parametrize(("samples", "width"), [(60, 6), (15, 40)])
def test_it_is_the_trace_of_the_published_definition(samples: int, width: int) -> None:
    features, labels = _sample(samples, width)
    centred = features - features.mean(axis=0)
    covariance, share = _ledoit_wolf(centred)
    means = np.stack([features[labels == label].mean(axis=0) for label in labels])
    between = np.cov(means.T, bias=True)
    expected = float(np.trace(np.linalg.inv(covariance) @ ((1 - share) * between)))
    assert h_score(features, labels) == pytest.approx(expected, abs=1e-5)


def test_with_many_samples_shrinkage_goes_and_the_plain_score_stays() -> None:
    features, labels = _sample(20_000, 3, 2)
    means = np.stack([features[labels == label].mean(axis=0) for label in (0, 1)])[labels]
    plain = float(np.trace(np.linalg.inv(np.cov(features.T)) @ np.cov(means.T)))
    assert h_score(features, labels) == pytest.approx(plain, abs=1e-3)


def test_permuting_turning_shifting_and_scaling_features_change_nothing() -> None:
    features, labels = _sample()
    random = np.random.default_rng(0)
    turned, _ = np.linalg.qr(random.normal(size=(6, 6)))
    expected = h_score(features, labels)
    for changed in (features[:, random.permutation(6)], features @ turned, features + 5, 100 * features):
        assert h_score(changed, labels) == pytest.approx(expected, abs=1e-8)


def test_it_lies_between_nothing_and_the_number_of_labels_less_one() -> None:
    _, labels = _sample()
    perfect = np.eye(3)[labels] + 1e-6 * np.random.default_rng(0).normal(size=(60, 3))
    assert h_score(perfect, labels) == pytest.approx(2, abs=0.1)
    assert 0 <= h_score(_sample(signal=0)[0], labels) < h_score(_sample(signal=3)[0], labels) < 2


def test_dead_features_count_for_nothing() -> None:
    _, labels = _sample()
    assert h_score(np.zeros((60, 3)), labels) == 0
    assert math.isfinite(h_score(np.hstack([_sample()[0], np.zeros((60, 2))]), labels))


def test_one_label_alone_is_undefined() -> None:
    assert math.isnan(h_score(_sample()[0], np.zeros(60, dtype=np.int64)))
