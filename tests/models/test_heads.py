import torch
from torch import nn

from seg.models.heads import Head


def test_a_head_gives_one_channel_per_organ_on_the_decoders_grid():
    assert Head(16, 3)(torch.rand(2, 16, 8, 12)).shape == (2, 3, 8, 12)


def test_a_head_enlarges_to_the_images_grid():
    assert Head(16, 1, hidden=4, scale=2)(torch.rand(2, 16, 8, 12)).shape == (2, 1, 16, 24)


def test_only_a_hidden_layer_makes_a_head_bend():
    torch.manual_seed(0)
    straight, bent = Head(4, 2), Head(4, 2, hidden=8)
    x = torch.rand(1, 4, 8, 8)
    assert torch.allclose(straight(2 * x), 2 * straight(x), atol=1e-5)
    assert isinstance(bent.hidden, nn.Conv2d)
    assert not torch.allclose(bent(-x), -bent(x), atol=1e-3)
