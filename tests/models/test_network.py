import copy

import pytest
import torch
from safetensors.torch import load, save

from seg.config import Model
from seg.errors import UsageError
from seg.models.network import build_network


def network_of(channels=3, organs=2, encoder="resnet18", **more):
    torch.manual_seed(0)
    return build_network(Model(encoder=encoder, weights="none", **more), organs, channels)[0]


def test_every_tensor_belongs_to_a_named_part():
    network = network_of()
    parts = {name.split(".")[0] for name in network.state_dict()}
    assert parts == {"encoder", "decoder", "mask_head", "edge_head", "input_mean", "input_std"}
    assert {name.split(".")[0] for name, _ in network.named_parameters()} <= parts - {"input_mean", "input_std"}


def test_the_network_normalises_its_input_itself():
    network = network_of()
    images = torch.rand(1, 3, 64, 64)
    normalised = network.encode(images)[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(normalised, (images - mean[:, None, None]) / std[:, None, None], atol=1e-6)


def test_normalising_keeps_the_inputs_precision():
    network = network_of().to(torch.bfloat16)
    output = network(torch.rand(1, 3, 64, 64, dtype=torch.bfloat16))
    assert output.features[0].dtype == torch.bfloat16
    assert output.masks.dtype == torch.bfloat16


def test_the_statistics_travel_with_the_weights():
    source, target = network_of(), network_of()
    source.input_mean.fill_(0.3)
    target.load_state_dict(load(save(source.state_dict())))
    assert torch.equal(target.input_mean, torch.full((3,), 0.3))


def test_a_saved_network_predicts_the_same():
    source = network_of(channels=9).eval()
    target = build_network(Model(encoder="resnet18", weights="none"), 2, 9)[0].eval()
    images = torch.rand(1, 9, 64, 64)
    with torch.no_grad():
        assert not torch.equal(source(images).masks, target(images).masks)
        target.load_state_dict(load(save(source.state_dict())))
        assert torch.equal(source(images).masks, target(images).masks)


def test_cached_features_can_be_trained_on():
    network = network_of()
    with torch.no_grad():
        features = network.encode(torch.rand(2, 3, 64, 64))
    network.mask_head(network.decode(features)).mean().backward()
    assert all(values.grad is None for values in network.encoder.parameters())
    assert all(values.grad is not None for values in network.decoder.parameters())


def test_the_pyramid_goes_from_fine_to_coarse():
    sides = [feature.shape[-1] for feature in network_of()(torch.rand(1, 3, 64, 64).repeat(2, 1, 1, 1)).features]
    assert sides == [64, 32, 16, 8, 4, 2]


def test_a_plain_transformer_gives_maps_and_class_tokens():
    output = network_of(encoder="tu-vit_tiny_patch16_224").eval()(torch.rand(1, 3, 32, 32))
    assert [tuple(feature.shape) for feature in output.features] == [(1, 192, 2, 2)] * 4 + [(1, 192, 1, 1)] * 4
    assert output.decoded.shape == (1, 256, 16, 16)


def test_the_edge_head_teaches_the_decoder():
    network = network_of()
    network(torch.rand(2, 3, 64, 64)).edges.mean().backward()
    assert next(network.decoder.parameters()).grad.abs().sum() > 0
    assert network.mask_head.out.weight.grad is None


@pytest.mark.parametrize("shape", [(1, 3, 64, 70), (1, 3, 33, 64), (1, 1, 64, 64)])
def test_images_of_another_shape_are_refused_in_words(shape):
    with pytest.raises(UsageError, match="multiples of 32") as refusal:
        network_of()(torch.rand(*shape))
    assert refusal.value.code == "image-shape"


def test_channels_last_and_autocast_give_nearly_the_same():
    network = network_of().eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = network(images).masks
        last = copy.deepcopy(network).to(memory_format=torch.channels_last)
        assert torch.allclose(last(images.to(memory_format=torch.channels_last)).masks, expected, atol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(images).masks.float()
    assert (rough - expected).abs().max() < 0.1 * expected.abs().max() + 0.05


def test_the_same_seed_builds_the_same_network():
    first, second = network_of().state_dict(), network_of().state_dict()
    assert all(torch.equal(values, second[name]) for name, values in first.items())
