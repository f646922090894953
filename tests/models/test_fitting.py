import pytest
import torch

from seg.config import Model
from seg.models.fitting import PREFIXES, fitted, network_names
from seg.models.network import build_network


def state(encoder="resnet18", organs=1, seed=0, **more):
    torch.manual_seed(seed)
    return build_network(Model(encoder=encoder, weights="none", **more), organs, 3)[0].state_dict()


@pytest.mark.parametrize("front", ["", "module.", "student.network."])
def test_all_parts_are_found_behind_any_common_front(front):
    expected = state()
    found = {f"{front}{name}": tensor for name, tensor in expected.items()}
    assert network_names(expected, found) == {name: f"{front}{name}" for name in expected}


def test_a_bare_encoder_has_no_other_part_even_if_names_agree():
    expected = state()
    found = {name.removeprefix("encoder."): tensor for name, tensor in expected.items() if name.startswith("encoder.")}
    names = network_names(expected, {**found, "mask_head.out.weight": torch.zeros(1)})
    assert set(names) == {name for name in expected if name.startswith("encoder.")}


def test_a_unet_of_another_program_gives_encoder_and_decoder():
    import segmentation_models_pytorch as smp

    expected = state()
    unet = smp.Unet("resnet18", encoder_weights=None, decoder_channels=(256, 128, 64, 32, 16)).state_dict()
    found = fitted(expected, unet, PREFIXES["all"], (0,))
    wanted = {name for name in expected if name.startswith(("encoder.", "decoder."))}
    assert set(found.tensors) == wanted
    assert all(torch.equal(found.tensors[name], unet[name]) for name in wanted)


def test_a_decoder_of_wholly_another_width_is_still_found_by_name():
    expected, found = state(decoder_channels=(40, 24, 12)), state(decoder_channels=(30, 20, 10))
    names = network_names(expected, found)
    assert names["decoder.blocks.0.conv1.0.weight"] == "decoder.blocks.0.conv1.0.weight"


def test_a_bias_does_not_move_without_its_weight():
    expected, found = state(decoder_channels=(40, 24, 12)), state(decoder_channels=(40, 24, 8))
    taken = fitted(expected, found, PREFIXES["all"], (0,)).tensors
    assert expected["mask_head.out.bias"].shape == found["mask_head.out.bias"].shape
    assert not [name for name in taken if name.startswith(("mask_head.", "edge_head.hidden"))]
    assert "edge_head.out.bias" in taken
