from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seg.config import Model
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.models.network import Output, SegNetwork, build_network
from seg.overrides import resolve
from seg.transfer.bss import COMPONENT, Bss, BssSettings, spectral_tail
from seg.transfer.component import Forward, Task

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(8, 8, 8, 8, 8))
PLAN = Plan(("liver",), (1,), 1.0, "mm", 64, 1, (Intensity("window", -160, 240),))


def _features(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def _network() -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL, 1, 3)[0].eval()


def _forward(network: SegNetwork, size: int = 4) -> Forward:
    images = torch.rand(size, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(size, 1, 64, 64)
    return Forward(network, {"labelled": Batch(images, nothing, nothing.bool(), ("a",) * size)})


def _task(*words: str) -> Task:
    return Task(resolve(words), PLAN, {}, None, (), Path("cache"))


@pytest.mark.parametrize("smallest", [1, 3])
def test_the_term_is_the_formula_over_the_pooled_bottleneck(smallest: int) -> None:
    forward = _forward(_network())
    term = Bss(BssSettings(weight=0.5, smallest=smallest)).losses(forward, 0)
    pooled = forward.output("labelled").features[-1].detach().double().numpy().mean(axis=(2, 3))
    assert pooled.shape == (4, 512)
    # Squared singular values are the eigenvalues of the Gram matrix, in rising order.
    expected = 0.5 * np.linalg.eigvalsh(pooled @ pooled.T)[:smallest].sum()
    assert set(term) == {"bss"}
    assert float(term["bss"].detach()) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("images", "channels", "smallest"), [(5, 7, 1), (5, 7, 3), (6, 3, 2), (2, 4, 1)])
def test_the_gradient_agrees_with_finite_differences(images: int, channels: int, smallest: int) -> None:
    features = _features(images, channels).requires_grad_()
    (gradient,) = torch.autograd.grad(spectral_tail(features, smallest), features)

    def value(matrix: np.ndarray) -> float:
        return float((np.linalg.svd(matrix, compute_uv=False)[-smallest:] ** 2).sum())

    for index in np.ndindex(images, channels):
        step = np.zeros((images, channels))
        step[index] = 1e-5
        matrix = features.detach().numpy()
        difference = (value(matrix + step) - value(matrix - step)) / 2e-5
        assert float(gradient[index]) == pytest.approx(difference, abs=1e-7)


def test_equal_singular_values_have_finite_gradients() -> None:
    features = torch.diag(torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)).requires_grad_()
    (both,) = torch.autograd.grad(spectral_tail(features, 2), features)
    torch.testing.assert_close(both, torch.diag(torch.tensor([0.0, 2.0, 2.0], dtype=torch.float64)))
    (one,) = torch.autograd.grad(spectral_tail(features, 1), features)
    assert torch.isfinite(one).all()
    assert float(one.norm()) == pytest.approx(2.0)
    assert not one[0].any()


@pytest.mark.parametrize("features", [torch.zeros(4, 6), torch.ones(4, 6)])
def test_equal_slices_cost_nothing_and_pull_nowhere(features: Tensor) -> None:
    features = features.requires_grad_()
    value = spectral_tail(features, 2)
    (gradient,) = torch.autograd.grad(value, features)
    assert float(value.detach()) == pytest.approx(0.0, abs=1e-10)
    assert torch.isfinite(gradient).all()
    assert float(gradient.norm()) == pytest.approx(0.0, abs=1e-5)


def test_of_two_slices_what_tells_them_apart_is_shrunk() -> None:
    first = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)
    across = torch.tensor([0.0, 0.5, 0.0], dtype=torch.float64)
    assert float(spectral_tail(torch.stack([first, across]), 1)) == pytest.approx(0.25)
    assert float(spectral_tail(torch.stack([first, -2 * first]), 1)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("smallest", [1, 2, 9])
def test_the_largest_singular_value_is_never_shrunk(smallest: int) -> None:
    alone = _features(1, 5).requires_grad_()
    value = spectral_tail(alone, smallest)
    (gradient,) = torch.autograd.grad(value, alone)
    assert float(value.detach()) == 0.0
    assert not gradient.any()
    three = _features(3, 5)
    expected = (np.linalg.svd(three.numpy(), compute_uv=False)[1:][-smallest:] ** 2).sum()
    assert float(spectral_tail(three, smallest)) == pytest.approx(expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_left_for_the_loop_to_report(value: float) -> None:
    features = _features(3, 5)
    features[1, 2] = value
    assert not torch.isfinite(spectral_tail(features, 1))


def test_half_precision_ends_before_the_decomposition() -> None:
    forward = _forward(_network())
    with torch.autocast("cpu", torch.bfloat16):
        term = Bss(BssSettings(weight=1.0)).losses(forward, 0)["bss"]
    features = forward.output("labelled").features[-1]
    assert features.dtype == torch.bfloat16
    assert term.dtype == torch.float32
    expected = np.linalg.svd(features.detach().float().mean((2, 3)).numpy(), compute_uv=False)[-1] ** 2
    assert float(term.detach()) == pytest.approx(float(expected), rel=1e-4)


def test_a_plain_transformers_deepest_map_is_read_not_its_class_token() -> None:
    network = _network()
    network.plain_transformer = True
    maps = [_features(3, 6, 4, 4, seed=seed).float() for seed in range(4)]
    tokens = [torch.full((3, 6, 1, 1), 100.0)] * 4
    forward = _forward(network)
    decoded = torch.zeros(3, 1, 4, 4)
    forward._outputs["labelled"] = Output(decoded, None, [*maps, *tokens], decoded)
    term = Bss(BssSettings(weight=1.0)).losses(forward, 0)["bss"]
    assert float(term) == pytest.approx(float(spectral_tail(maps[3].mean((2, 3)), 1)))


def test_the_encoder_learns_from_it_and_the_heads_do_not() -> None:
    network = _network()
    forward = _forward(network)
    component = Bss(BssSettings(weight=1.0))
    before = component.losses(forward, 0)["bss"]
    before.backward()
    assert all(p.grad is None for p in network.mask_head.parameters())
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    assert float(component.losses(_forward(network), 0)["bss"].detach()) < float(before.detach())


def test_a_batch_too_small_for_a_spectrum_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train\.batch_size=1") as refused:
        COMPONENT.make(_task("train.batch_size=1"), BssSettings())
    assert refused.value.code == "bad-value"
    with pytest.raises(UsageError):
        COMPONENT.make(_task("train.batch_size=4"), BssSettings(smallest=4))
    assert isinstance(COMPONENT.make(_task("train.batch_size=2"), BssSettings()), Bss)


def test_the_defaults_are_the_published_ones() -> None:
    assert (BssSettings().weight, BssSettings().smallest) == (0.001, 1)
