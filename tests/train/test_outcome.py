import dataclasses

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seg.config import Model
from seg.models.network import build_network
from seg.models.source_weights import load_source
from seg.models.weights import WeightReport
from seg.train.outcome import OWN, tensor_outcomes, transfer_table
from seg.transfer.component import ParameterGroup

WIDTHS = (32, 16, 16, 8, 8)
# resnet18 as He et al. 2016 describe it: convolutions without bias, each followed by a norm of five tensors.
STEM = {"tensors": 6, "parameters": 64 * 3 * 49 + 2 * 64}
STAGE1 = {"tensors": 4 * 6, "parameters": 4 * (64 * 64 * 9 + 2 * 64)}
STAGE2 = {
    "tensors": 5 * 6,
    "parameters": 128 * 64 * 9 + 3 * 128 * 128 * 9 + 128 * 64 + 5 * 2 * 128,
}


def build(organs=1, seed=0):
    torch.manual_seed(seed)
    settings = Model(encoder="resnet18", weights="none", decoder_channels=WIDTHS)
    return build_network(settings, organs, 3)[0].train()


def everything(network, factor=1.0):
    return [ParameterGroup("all", [p for p in network.parameters() if p.requires_grad], factor)]


def by_part(rows):
    return {row.part: row for row in rows}


@pytest.fixture
def loaded(tmp_path):
    """A network of three organs that knows one of them from its source, and what was taken over."""
    save_file(build(2, seed=1).state_dict(), tmp_path / "model.safetensors")
    network = build(3)
    organs = ("pancreas", "spleen", "stomach")
    report = load_source(
        network, tmp_path / "model.safetensors", parts="all", source_organs=("liver", "spleen"), organs=organs
    )
    return network, report


def test_the_table_agrees_with_a_count_by_hand(loaded):
    network, report = loaded
    rows = transfer_table(network, report, everything(network, 0.5))
    assert [row.part for row in rows] == [
        "input range", "stem", "stage1", "stage2", "stage3", "stage4", "decoder", "mask head", "edge head",
    ]  # fmt: skip
    table = by_part(rows)
    for part, expected in (("stem", STEM), ("stage1", STAGE1), ("stage2", STAGE2)):
        row = table[part]
        assert (row.tensors, row.parameters, row.learning) == (*expected.values(), expected["parameters"])
        assert (row.loaded, row.adapted, row.fresh, row.frozen) == (expected["tensors"], 0, 0, 0)
        assert row.lr_factors == (0.5,)
    head, edge = table["mask head"], table["edge head"]
    assert (head.tensors, head.loaded, head.adapted, head.fresh) == (2, 0, 2, 0)
    assert head.parameters == 8 * 3 * 9 + 3
    assert (edge.tensors, edge.loaded, edge.adapted, edge.parameters) == (4, 2, 2, 16 * 8 * 9 + 16 + 3 * 16 * 9 + 3)
    assert sum(row.tensors for row in rows) == len(network.state_dict())
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in network.parameters())


def test_frozen_weights_and_held_statistics_count_as_frozen(loaded):
    network, report = loaded
    for stage in (network.encoder.conv1, network.encoder.bn1, network.encoder.layer1):
        stage.requires_grad_(False)
    network.encoder.layer1.eval()
    table = by_part(transfer_table(network, report, everything(network)))
    stem, first, second = table["stem"], table["stage1"], table["stage2"]
    # The stem's norm still follows the batches: its three statistics move.
    assert (stem.frozen, stem.learning, stem.lr_factors) == (3, 0, ())
    assert (first.frozen, first.learning, first.lr_factors) == (24, 0, ())
    assert (second.frozen, second.learning) == (0, STAGE2["parameters"])


def test_what_no_group_has_or_has_at_rate_zero_is_frozen(loaded):
    network, report = loaded
    groups = [
        ParameterGroup("decoder", list(network.decoder.parameters()), 2.0),
        ParameterGroup("edge head", list(network.edge_head.parameters()), 0.0),
    ]
    table = by_part(transfer_table(network, report, groups))
    assert (table["mask head"].frozen, table["mask head"].learning) == (2, 0)
    assert (table["edge head"].frozen, table["edge head"].lr_factors) == (4, ())
    assert (table["decoder"].frozen, table["decoder"].lr_factors) == (0, (2.0,))


def test_weights_that_thaw_later_show_their_rate_though_frozen(loaded):
    network, report = loaded
    network.encoder.layer4.requires_grad_(False)
    groups = [ParameterGroup("stage4", list(network.encoder.layer4.parameters()), 0.25), *everything(network)]
    row = by_part(transfer_table(network, report, groups))["stage4"]
    assert row.learning == 0
    assert row.frozen == sum(1 for _ in network.encoder.layer4.parameters())
    assert row.lr_factors == (0.25,)


def test_what_learns_beside_the_network_is_the_strategys_own(loaded):
    network, report = loaded
    critic = nn.Linear(8, 1)
    rows = transfer_table(
        network, report, [*everything(network), ParameterGroup("critic", [*critic.parameters()], 3.0)]
    )
    assert rows[-1] == dataclasses.replace(
        rows[-1],
        part=OWN,
        tensors=2,
        parameters=9,
        learning=9,
        loaded=0,
        adapted=0,
        fresh=2,
        frozen=0,
        lr_factors=(3.0,),
    )


class _Adapted(nn.Module):
    """A convolution with an adapter around it, under the names that peft gives them."""

    def __init__(self, layer):
        super().__init__()
        self.base_layer = layer.requires_grad_(False)
        self.lora_A = nn.ModuleDict({"default": nn.Conv2d(64, 2, 3, padding=1, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Conv2d(2, 64, 1, bias=False)})

    def forward(self, images):
        return self.base_layer(images) + self.lora_B["default"](self.lora_A["default"](images))


def test_an_adapted_layer_keeps_its_part_and_the_adapter_is_the_strategys_own(loaded):
    network, report = loaded
    network.encoder.layer1[0].conv1 = _Adapted(network.encoder.layer1[0].conv1)
    table = by_part(transfer_table(network, report, everything(network)))
    assert (table["stage1"].tensors, table["stage1"].frozen, table["stage1"].loaded) == (24, 1, 24)
    own = table[OWN]
    assert (own.tensors, own.fresh, own.parameters) == (2, 2, 64 * 2 * 9 + 2 * 64)
    outcomes = tensor_outcomes(network, report, everything(network))
    assert outcomes["encoder.layer1.0.conv1.weight"].frozen is True
    assert outcomes["encoder.layer1.0.conv1.lora_A.default.weight"].lr_factor == 1.0


def test_random_weights_are_from_nothing_in_their_own_parts():
    network = build()
    rows = transfer_table(network, WeightReport("none"), everything(network))
    assert OWN not in by_part(rows)
    assert all((row.fresh, row.loaded, row.adapted) == (row.tensors, 0, 0) for row in rows)


def test_constants_neither_learn_nor_freeze():
    network = build()
    outcomes = tensor_outcomes(network, WeightReport("none"), everything(network))
    constant = outcomes["input_mean"]
    assert (constant.parameters, constant.frozen, constant.lr_factor, constant.shape) == (0, None, None, (3,))
    assert outcomes["encoder.bn1.running_var"].frozen is False


def test_looking_leaves_the_network_as_it_was(loaded):
    network, report = loaded
    network.encoder.layer1.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    transfer_table(network, report, everything(network))
    assert modes == [module.training for module in network.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
