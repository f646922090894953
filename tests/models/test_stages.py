from collections.abc import Iterable

import pytest
import torch
from torch import nn

from seg.config import Model
from seg.models.network import SegNetwork, build_network
from seg.models.stages import Stage, encoder_stages

FAMILIES = (
    "resnet18",
    "mobilenet_v2",
    "efficientnet-b0",
    "densenet121",
    "mit_b0",
    "tu-resnet10t",
    "tu-convnext_atto",
    "tu-pvt_v2_b0",
    "tu-swin_tiny_patch4_window7_224",
    "tu-vit_tiny_patch16_224",
)
PATCHES = ("mit_b0", "tu-convnext_atto", "tu-pvt_v2_b0", "tu-swin_tiny_patch4_window7_224", "tu-vit_tiny_patch16_224")


def _network(name: str, widths: tuple[int, ...] = (16, 16, 8, 8, 8), channels: int = 3) -> SegNetwork:
    torch.manual_seed(0)
    model = Model(encoder=name, weights="none", decoder_channels=widths, edge_head=False)
    return build_network(model, 1, channels)[0]


def _owners(network: SegNetwork, stage: Stage) -> set[str]:
    """Names of the modules that hold the stage's parameters."""
    ours = {id(parameter) for parameter in stage.parameters}
    named = network.encoder.named_parameters()
    return {name.rpartition(".")[0] for name, parameter in named if id(parameter) in ours}


def _ids(things: Iterable[object]) -> list[int]:
    return sorted(id(thing) for thing in things)


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_hold_everything_once_and_a_stage_moves_its_own_and_deeper_maps_only(name) -> None:
    network = _network(name)
    network.eval()
    stages = encoder_stages(network)
    assert [stage.name for stage in stages] == ["stem", *(f"stage{n}" for n in range(1, len(stages)))]
    assert len(stages) == 5
    assert _ids(p for stage in stages for p in stage.parameters) == _ids(network.encoder.parameters())
    assert _ids(m for stage in stages for m in stage.modules) == _ids(network.encoder.modules())

    images = torch.rand(1, 3, 64, 64)
    count = 4 if name in PATCHES else 5

    @torch.no_grad()
    def maps() -> list[torch.Tensor]:
        return [found for found in network.encode(images) if found.shape[1] > 3 and found.shape[-1] > 1][:count]

    before = maps()
    assert len(before) == count
    for number, stage in enumerate(stages):
        first = max(0, number - 1) if name in PATCHES else number
        learned = [parameter.detach().clone() for parameter in stage.parameters]
        with torch.no_grad():
            for parameter in stage.parameters:
                parameter.add_(torch.linspace(-0.1, 0.1, parameter.numel()).view_as(parameter))
        moved = [not torch.equal(old, new) for old, new in zip(before, maps(), strict=True)]
        assert moved[: first + 1] == [False] * first + [True]
        with torch.no_grad():
            for parameter, value in zip(stage.parameters, learned, strict=True):
                parameter.copy_(value)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "efficientnet-b0", "mobileone_s0"])
def test_the_two_deepest_stages_are_those_that_smp_would_dilate(name) -> None:
    network = _network(name)
    stages = encoder_stages(network)
    dilated = network.encoder.get_stages()
    for stage, modules in zip(stages[-2:], (dilated[16], dilated[32]), strict=True):
        theirs = {id(parameter) for module in modules for parameter in module.parameters()}
        assert theirs <= set(_ids(stage.parameters))
    rest = {id(parameter) for stage in stages[:-2] for parameter in stage.parameters}
    assert not rest & {id(p) for modules in dilated.values() for module in modules for p in module.parameters()}


def test_a_resnet_is_cut_where_its_layers_are() -> None:
    network = _network("resnet18")
    stages = encoder_stages(network)
    assert _owners(network, stages[0]) == {"conv1", "bn1"}
    for number, stage in enumerate(stages[1:], start=1):
        assert {name.partition(".")[0] for name in _owners(network, stage)} == {f"layer{number}"}
        assert set(network.encoder.get_submodule(f"layer{number}").modules()) <= set(stage.modules)
    assert network.encoder in stages[-1].modules


def test_the_stem_of_encoders_of_patches_is_their_patch_embedding() -> None:
    network = _network("mit_b0")
    assert _owners(network, encoder_stages(network)[0]) == {"patch_embed1.proj", "patch_embed1.norm"}
    network = _network("tu-convnext_atto")
    assert _owners(network, encoder_stages(network)[0]) == {"model.stem_0", "model.stem_1"}


def test_the_stem_of_a_plain_transformer_holds_its_embeddings_and_each_stage_a_quarter_of_the_blocks() -> None:
    network = _network("tu-vit_tiny_patch16_224")
    stages = encoder_stages(network)
    model = network.encoder.get_submodule("model")
    embedding = [model.cls_token, model.pos_embed, *model.patch_embed.parameters()]
    assert _ids(stages[0].parameters) == _ids(embedding)
    assert model.pos_drop in stages[0].modules
    for number, stage in enumerate(stages[1:]):
        blocks = [f"model.blocks.{block}." for block in range(3 * number, 3 * number + 3)]
        inside = [name for name in _owners(network, stage) if name.startswith("model.blocks.")]
        assert {name[: name.index(".", 13) + 1] for name in inside} == set(blocks)
    assert model.norm in stages[-1].modules, "what the maps do not need goes with the module that holds it"


def test_what_a_shallower_decoder_does_not_read_belongs_to_the_deepest_stage() -> None:
    network = _network("resnet18", widths=(16, 8, 8))
    stages = encoder_stages(network)
    assert [stage.name for stage in stages] == ["stem", "stage1", "stage2"]
    outer = {name.partition(".")[0] for name in _owners(network, stages[-1])}
    assert outer == {"layer2", "layer3", "layer4"}


def test_looking_leaves_the_network_as_it_was() -> None:
    network = _network("resnet18", channels=9)
    network.train()
    network.encoder.get_submodule("layer1").eval()
    network.encoder.get_submodule("layer2").requires_grad_(False)
    modes = [module.training for module in network.modules()]
    learns = [parameter.requires_grad for parameter in network.parameters()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.get_rng_state()
    with torch.no_grad():
        stages = encoder_stages(network)
    assert len(stages) == 5
    assert modes == [module.training for module in network.modules()]
    assert learns == [parameter.requires_grad for parameter in network.parameters()]
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


class _Unfamiliar(nn.Module):
    """An encoder of two maps whose norm has no weights, which drops with a function, and with an unused layer."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)
        self.body = nn.ModuleDict(
            {
                "first": nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 4, 1)),
                "second": nn.Sequential(
                    nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4, affine=False), nn.MaxPool2d(2)
                ),
            }
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        shallow = self.body["first"](images)
        return [images, shallow, self.body["second"](shallow)]


def test_an_unfamiliar_encoder_is_cut_by_what_its_maps_need() -> None:
    network = _network("resnet18")
    network.encoder = encoder = _Unfamiliar()
    stem, first, second = encoder_stages(network)
    assert _ids(stem.modules) == _ids([encoder.body["first"][0], encoder.body["first"][1]])
    assert _ids(first.modules) == _ids([encoder.body["first"], encoder.body["first"][2]])
    assert _owners(network, second) == {"unused", "body.second.0"}
    assert encoder.body["second"][1] in second.modules


def test_a_first_map_that_one_layer_makes_is_the_stem_alone() -> None:
    network = _network("resnet18")
    encoder = _Unfamiliar()
    encoder.body["first"] = nn.Conv2d(3, 4, 4, 4)
    network.encoder = encoder
    assert [stage.name for stage in encoder_stages(network)] == ["stem", "stage1"]
