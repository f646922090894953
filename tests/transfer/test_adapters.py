import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seg.transfer._adapters import can_be_adapted, insert_adapters, is_factor, merged


class _Same(nn.Conv2d):
    """Computes otherwise than its parent."""


def _small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.Conv2d(6, 5, 1, bias=False),
        nn.Sequential(nn.Flatten(), nn.Linear(5 * 4 * 4, 7)),
    )


LAYERS = ("0", "1", "2.1")


def _adapted(rank: int = 2, alpha: float = 6.0) -> nn.Sequential:
    network = _small()
    insert_adapters(network, LAYERS, rank=rank, alpha=alpha, dropout=0.0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if is_factor(name):
                parameter.normal_()
    return network


@pytest.mark.parametrize(
    ("layer", "answer"),
    [
        (nn.Conv2d(4, 4, 3), True),
        (nn.Conv2d(4, 4, 1, stride=2, padding="valid"), True),
        (nn.Linear(4, 4), True),
        (nn.Conv2d(4, 4, 3, groups=4), False),
        (nn.Conv2d(4, 4, 3, groups=2), False),
        (nn.Conv2d(4, 4, 3, dilation=2), False),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), False),
        (_Same(4, 4, 3), False),
        (nn.ConvTranspose2d(4, 4, 2), False),
        (nn.BatchNorm2d(4), False),
        (nn.Conv2d(4, 4, 3).requires_grad_(False), False),
        (nn.Linear(4, 4).requires_grad_(False), False),
    ],
)
def test_only_layers_whose_sum_is_exact_and_that_learn_are_adapted(layer: nn.Module, answer: bool) -> None:
    assert can_be_adapted(layer) is answer


def test_an_adapter_adds_nothing_at_first_and_only_adapters_learn() -> None:
    plain, network = _small(), _small()
    insert_adapters(network, LAYERS, rank=2, alpha=6.0, dropout=0.0)
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(plain(images), network(images))
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {f"{layer}.lora_{letter}.default.weight" for layer in LAYERS for letter in "AB"}
    assert all(is_factor(name) for name in learning)


def test_a_name_is_no_ending_of_other_names() -> None:
    network = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.ModuleDict({"a": nn.Linear(2, 2)})})
    insert_adapters(network, ["a"], rank=1, alpha=1.0, dropout=0.0)
    assert {name.split(".lora_")[0] for name, _ in network.named_parameters() if is_factor(name)} == {"a"}


def test_merged_weights_are_the_formula() -> None:
    network = _adapted()
    tensors = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    result = {name: tensor.numpy() for name, tensor in merged(network.state_dict(), LAYERS, 6.0 / 2).items()}
    assert result.keys() == _small().state_dict().keys()
    for layer in ("0", "1"):
        down, up = (tensors[f"{layer}.lora_{letter}.default.weight"] for letter in "AB")
        product = np.einsum("or,riyx->oiyx", up[:, :, 0, 0], down)
        np.testing.assert_allclose(result[f"{layer}.weight"], tensors[f"{layer}.base_layer.weight"] + 3.0 * product,
                                   rtol=1e-5, atol=1e-6)  # fmt: skip
    down, up = (tensors[f"2.1.lora_{letter}.default.weight"] for letter in "AB")
    np.testing.assert_allclose(
        result["2.1.weight"], tensors["2.1.base_layer.weight"] + 3.0 * up @ down, rtol=1e-5, atol=1e-6
    )
    assert np.array_equal(result["0.bias"], tensors["0.base_layer.bias"].astype(np.float32))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_merged_weights_predict_the_same_and_the_network_keeps_its_own(layout: torch.memory_format) -> None:
    network = _adapted().to(memory_format=layout)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    plain = _small()
    plain.load_state_dict(merged(network.state_dict(), LAYERS, 3.0))
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(plain(images), network(images), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(plain(images), _small()(images))
    assert _equal(network.state_dict(), before)


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
