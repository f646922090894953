import copy

import pytest
import torch
from torch.nn import functional as F

from seg.config import Model
from seg.models.network import SegNetwork, build_network
from seg.models.split_blocks import SplitBlock, convolve_halves, split_blocks

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(32, 16, 16, 8, 8))


def _random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _plain(deep: torch.Tensor, skip: torch.Tensor | None, weight: torch.Tensor) -> torch.Tensor:
    enlarged = F.interpolate(deep, scale_factor=2, mode="nearest")
    return F.conv2d(enlarged if skip is None else torch.cat([enlarged, skip], 1), weight, padding=1)


@pytest.mark.parametrize(("channels", "height", "width"), [(300, 3, 5), (200, 1, 1), (4, 6, 8), (3, 1, 2)])
@pytest.mark.parametrize("skips", [0, 5])
def test_halves_give_what_the_whole_gives_and_so_do_their_gradients(channels, height, width, skips):
    deep = _random(2, channels, height, width, seed=0).requires_grad_()
    skip = _random(2, skips, 2 * height, 2 * width, seed=1) if skips else None
    weight = _random(7, channels + skips, 3, 3, seed=2).requires_grad_()
    wanted, found = _plain(deep, skip, weight), convolve_halves(deep, skip, weight)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    arriving = _random(*wanted.shape, seed=3)
    for one, other in zip(
        torch.autograd.grad(found, (deep, weight), arriving),
        torch.autograd.grad(wanted, (deep, weight), arriving),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def _both(model: Model = MODEL) -> tuple[SegNetwork, SegNetwork]:
    torch.manual_seed(0)
    plain, _ = build_network(model, 1, 3)
    split = copy.deepcopy(plain)
    split_blocks(split)
    return plain, split


def _maps(network: SegNetwork, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return [feature.to(dtype) for feature in network.eval().encode(images)]


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0"])
def test_a_training_network_learns_alike(encoder):
    plain, split = _both(MODEL.model_copy(update={"encoder": encoder}))
    maps = _maps(plain)
    gradients = []
    for network in (plain.double(), split.double()):
        output = network.train().read([feature.double() for feature in maps])
        (output.masks.square().mean() + output.masks.sum()).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    assert set(gradients[0]) == set(gradients[1])
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-6, atol=1e-9)
    statistics = {name: tensor for name, tensor in plain.state_dict().items() if "running" in name}
    assert statistics
    for name, tensor in statistics.items():
        torch.testing.assert_close(split.state_dict()[name], tensor, rtol=1e-9, atol=1e-12)


def test_names_of_tensors_stay_and_weights_still_fit():
    plain, split = _both()
    assert list(plain.state_dict()) == list(split.state_dict())
    assert sum(isinstance(module, SplitBlock) for module in split.decoder.modules()) == 5
    split.load_state_dict(plain.state_dict())


def test_predictions_are_the_same_to_the_last_bit():
    plain, split = _both()
    maps = _maps(plain)
    with torch.no_grad():
        assert torch.equal(split.eval().read(maps).masks, plain.eval().read(maps).masks)


def test_under_bf16_the_result_is_as_near_to_the_exact_one_as_the_plain_block():
    plain, split = _both()
    maps, rounded = _maps(plain), _maps(plain, torch.bfloat16)
    errors = []
    with torch.no_grad():
        exact = plain.train().read(maps).decoded
        for network in (plain, split):
            with torch.autocast("cpu", torch.bfloat16):
                decoded = network.train().read(rounded).decoded
            assert decoded.dtype == torch.bfloat16
            errors.append(float((decoded.float() - exact).abs().mean()))
    assert errors[1] < 1.5 * errors[0]


def test_a_plain_transformers_decoder_stays_as_it_is():
    torch.manual_seed(0)
    network, _ = build_network(Model(encoder="tu-vit_tiny_patch16_224", weights="none"), 1, 3)
    before = str(network)
    split_blocks(network)
    assert str(network) == before
