import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from seg.transfer._pixel_transforms import PixelAdaptation, Planes, with_amplitudes_of


def _slice(radius: float, grey: float, channels: int = 3, side: int = 64, seed: int = 0) -> Planes:
    """A body of a radius and mean grey value in air, with some texture."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    body = np.hypot(rows, columns) < radius
    texture = np.random.default_rng(seed).normal(0, 0.08, (channels, side, side))
    return np.clip((grey + texture) * body, 0, 1).astype(np.float32)


SOURCE, TARGET = _slice(26, 0.3), _slice(16, 0.6, seed=1)


def test_matched_grey_values_are_the_quantiles_of_the_targets_body() -> None:
    found = PixelAdaptation("histogram", 1.0, 0.01)(SOURCE, TARGET, 0)
    for plane, own, wanted in zip(found, SOURCE, TARGET, strict=True):
        body, values = own > own.mean(), wanted[wanted > wanted.mean()]
        # The quantile of a pixel is the share of the body that is not brighter.
        ranks = np.searchsorted(np.sort(own[body]), own[body], side="right") / body.sum()
        # The darkest and brightest values have few pixels each, which 256 steps do not resolve.
        inner = (ranks > 0.05) & (ranks < 0.95)
        assert_allclose(plane[body][inner], np.quantile(values, ranks[inner]), atol=0.015)


def test_matching_keeps_the_air_and_the_order_of_grey_values() -> None:
    found = PixelAdaptation("histogram", 1.0, 0.01)(SOURCE, TARGET, 0)
    assert_array_equal(found[SOURCE == 0], 0)
    order = np.argsort(SOURCE[0], axis=None, kind="stable")
    assert np.diff(found[0].ravel()[order]).min() >= 0


def test_a_thin_target_does_not_blacken_a_thick_source() -> None:
    found = PixelAdaptation("histogram", 1.0, 0.01)(SOURCE, TARGET, 0)
    body = SOURCE[0] > SOURCE[0].mean()
    assert abs(found[0][body].mean() - 0.6) < 0.02
    assert found[0][body].min() > 0.2


@pytest.mark.parametrize("other", [np.zeros_like(TARGET), np.full_like(TARGET, 0.5)], ids=["black", "grey"])
def test_a_slice_without_a_body_changes_nothing_and_is_not_changed(other: Planes) -> None:
    adapt = PixelAdaptation("histogram", 1.0, 0.01)
    assert_allclose(adapt(SOURCE, other, 0), SOURCE, atol=1 / 255)
    assert_allclose(adapt(other, TARGET, 0), other, atol=1 / 255)


def _swapped(image: Planes, target: Planes, border: int) -> Planes:
    """Fourier adaptation as in the paper: the whole spectrum, centred, with the square cut out and put in."""
    found = np.empty_like(image)
    for channel in range(len(image)):
        own, other = (np.fft.fftshift(np.fft.fft2(planes[channel].astype(np.float64))) for planes in (image, target))
        amplitude, phase = np.abs(own), np.angle(own)
        row, column = image.shape[1] // 2, image.shape[2] // 2
        square = slice(row - border, row + border + 1), slice(column - border, column + border + 1)
        amplitude[square] = np.abs(other)[square]
        changed = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * phase)))
        assert np.abs(changed.imag).max() < 1e-9
        found[channel] = np.clip(changed.real, 0, 1)
    return found


@pytest.mark.parametrize("border", [0, 2, 9])
@pytest.mark.parametrize("shape", [(64, 64), (48, 65)])
def test_low_frequencies_have_the_targets_amplitudes_and_the_sources_phases(
    border: int, shape: tuple[int, int]
) -> None:
    random = np.random.default_rng(0)
    image, target = (random.random((2, *shape)).astype(np.float32) * 0.6 + 0.2 for _ in range(2))
    assert_allclose(with_amplitudes_of(image, target, border), _swapped(image, target, border), atol=1e-5)


def test_beta_is_a_share_of_the_side() -> None:
    found = PixelAdaptation("fourier", 1.0, 0.05)(SOURCE, TARGET, 0)
    assert_allclose(found, with_amplitudes_of(SOURCE, TARGET, 3), atol=1e-6)


def test_both_are_done_one_after_the_other() -> None:
    matched = PixelAdaptation("histogram", 1.0, 0.05)(SOURCE, TARGET, 0)
    found = PixelAdaptation("both", 1.0, 0.05)(SOURCE, TARGET, 0)
    assert_allclose(found, with_amplitudes_of(matched, TARGET, 3), atol=1e-6)


@pytest.mark.parametrize("method", ["histogram", "fourier", "both"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_number_of_channels_is_adapted(method: str, channels: int) -> None:
    found = PixelAdaptation(method, 1.0, 0.05)(_slice(26, 0.3, channels), _slice(16, 0.6, channels), 0)
    assert found.shape == (channels, 64, 64)
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() <= 1
    assert np.abs(found - _slice(26, 0.3, channels)).mean() > 0.02


def test_the_seed_decides_with_the_probability_whether_anything_changes() -> None:
    adapt = PixelAdaptation("histogram", 0.5, 0.01)
    first, again = ([not np.array_equal(adapt(SOURCE, TARGET, seed), SOURCE) for seed in range(100)] for _ in range(2))
    assert first == again
    assert 35 < sum(first) < 65
    never = PixelAdaptation("both", 0.0, 0.01)
    assert all(np.array_equal(never(SOURCE, TARGET, seed), SOURCE) for seed in range(5))
