"""What every family of encoders must do: small members, random weights, small images."""

import pytest
import torch

from seg.config import Model
from seg.models.network import build_network

FAMILIES = (
    "resnet18",
    "mobilenet_v2",
    "efficientnet-b0",
    "mit_b0",
    "tu-resnet10t",
    "tu-convnext_atto",
    "tu-pvt_v2_b0",
    "tu-swin_tiny_patch4_window7_224",
    "tu-swinv2_cr_tiny_ns_224",
    "tu-vit_tiny_patch16_224",
    "tu-vit_small_patch14_dinov2",
)
every_family = pytest.mark.parametrize("name", FAMILIES)


@every_family
def test_any_multiple_of_32_any_channels_and_several_organs(name):
    torch.manual_seed(0)
    network, report = build_network(Model(encoder=name, weights="none"), organs=2, channels=9)
    assert report.matched_fraction == 0
    images = torch.rand(2, 9, 64, 96)
    output = network(images)
    assert output.masks.shape == (2, 2, 64, 96)
    assert output.edges.shape == (2, 2, 64, 96)
    (output.masks.mean() + output.edges.mean()).backward()
    reached = [values.grad is not None for part in (network.encoder, network.decoder) for values in part.parameters()]
    assert sum(reached) > 0.9 * len(reached)
    network.eval()
    with torch.no_grad():
        first, second, cached = network(images), network(images), network.decode(network.encode(images))
    assert torch.equal(first.masks, second.masks)
    assert torch.equal(first.decoded, cached)


@pytest.mark.parametrize("name", ["resnet18", "mit_b0", "tu-vit_tiny_patch16_224"])
@pytest.mark.parametrize(("channels", "organs"), [(1, 1), (3, 3), (4, 1)])
def test_channels_and_organs_are_free(name, channels, organs):
    network, _ = build_network(Model(encoder=name, weights="none", edge_head=False), organs=organs, channels=channels)
    network.eval()
    with torch.no_grad():
        output = network(torch.rand(1, channels, 32, 64))
    assert output.masks.shape == (1, organs, 32, 64)
    assert output.edges is None
