import pytest
import timm
import torch

from seg.models.encoders import build_parts
from seg.models.matching import (
    adapt_channels,
    adapt_statistics,
    adapted,
    copied_rows,
    first_convolution,
    match_names,
)

WIDTHS = (64, 32, 16, 16, 16)


def resnet18():
    return build_parts("resnet18", 3, WIDTHS).encoder.state_dict()


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "encoder.", "backbone.", "state_dict.", "state_dict.module.encoder.", "model.backbone.body."],
)
def test_any_common_prefix_is_taken_off(prefix):
    expected = resnet18()
    found = {f"{prefix}{name}": tensor for name, tensor in expected.items()}
    found["epoch_of.something"] = torch.zeros(1)
    assert match_names(expected, found) == {name: f"{prefix}{name}" for name in expected}


def test_of_two_copies_only_one_is_taken():
    expected = resnet18()
    found = {f"{copy}.{name}": tensor for name, tensor in expected.items() for copy in ("student", "teacher")}
    taken = match_names(expected, found)
    assert len(taken) == len(expected)
    assert len({name.split(".")[0] for name in taken.values()}) == 1


@pytest.mark.parametrize("name", ["convnext_atto", "swin_tiny_patch4_window7_224", "resnet10t"])
def test_a_file_of_the_whole_timm_model_fits_its_encoder(name):
    expected = build_parts(f"tu-{name}", 3, WIDTHS).encoder.state_dict()
    found = timm.create_model(name, pretrained=False).state_dict()
    taken = match_names(expected, found)
    assert len(taken) > 0.98 * len(expected)
    assert all(found[theirs].shape == expected[ours].shape for ours, theirs in taken.items())


def test_nothing_matches_nothing():
    assert match_names(resnet18(), {"a.b": torch.zeros(3)}) == {}


def test_grey_images_answer_as_they_did_in_colour():
    weight, grey = torch.randn(8, 3, 3, 3), torch.rand(1, 1, 16, 16)
    colour = torch.nn.functional.conv2d(grey.expand(1, 3, 16, 16), weight)
    assert torch.allclose(torch.nn.functional.conv2d(grey, adapt_channels(weight, 1)), colour, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(3, 9), (3, 6), (1, 3), (3, 3)])
def test_equal_channels_answer_as_before(before, after):
    weight, grey = torch.randn(8, before, 3, 3), torch.rand(1, 1, 16, 16)
    expected = torch.nn.functional.conv2d(grey.expand(1, before, 16, 16), weight)
    found = torch.nn.functional.conv2d(grey.expand(1, after, 16, 16), adapt_channels(weight, after))
    assert torch.allclose(found, expected, atol=1e-5)


def test_patches_and_positions_of_a_transformer_are_resampled():
    name = "vit_small_patch14_dinov2"
    expected = build_parts(f"tu-{name}", 3, WIDTHS).encoder.state_dict()
    found = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
    taken = match_names(expected, found)
    patch, positions = "model.patch_embed.proj.weight", "model.pos_embed"
    assert first_convolution(expected) == patch
    assert found[taken[patch]].shape[-1] == 14
    assert adapted(patch, found[taken[patch]], expected[patch], first=True).shape == expected[patch].shape
    assert found[taken[positions]].shape != expected[positions].shape
    assert (
        adapted(positions, found[taken[positions]], expected[positions], first=False).shape == expected[positions].shape
    )


@pytest.mark.parametrize(
    ("name", "first", "found", "expected"),
    [
        ("conv1.weight", True, (8, 3, 3, 3), (8, 3, 7, 7)),
        ("conv1.weight", True, (8, 3, 3, 3), (16, 3, 3, 3)),
        ("layer1.0.conv2.weight", False, (64, 32, 3, 3), (64, 64, 3, 3)),
        ("bias", False, (4,), (5,)),
        ("bias", False, (4,), (4, 1)),
        ("pos_embed", False, (1, 7, 8), (1, 20, 8)),
    ],
)
def test_what_cannot_be_adapted_honestly_is_left(name, first, found, expected):
    assert adapted(name, torch.zeros(found), torch.zeros(expected), first=first) is None


def test_quantised_weights_are_left():
    assert adapted("bias", torch.zeros(4, dtype=torch.int8), torch.zeros(4), first=False) is None


def test_statistics_of_the_input_follow_the_channels_of_the_first_convolution():
    mean = torch.tensor([0.2, 0.3, 0.7])
    assert adapt_statistics(mean, 3) is mean
    assert adapt_statistics(mean, 1).tolist() == pytest.approx([0.4])
    assert adapt_statistics(mean, 5).tolist() == pytest.approx([0.2, 0.3, 0.7, 0.2, 0.3])
    assert adapt_statistics(torch.tensor(0.5), 1) is None
    assert adapt_statistics(torch.zeros(0), 1) is None


def test_rows_are_copied_where_they_are_known_and_stay_elsewhere():
    found, expected = torch.arange(6.0).reshape(3, 2), torch.full((4, 2), -1.0)
    copied = copied_rows(found, expected, (2, None, 0, 2))
    assert copied.tolist() == [[4, 5], [-1, -1], [0, 1], [4, 5]]
    assert expected.unique().tolist() == [-1]
    assert copied_rows(found, torch.zeros(3, 2), (0, 1, 2)) is found


@pytest.mark.parametrize(
    ("found", "expected", "rows"),
    [((2, 3), (2, 3), (None, None)), ((2, 3), (2, 4), (0, 1)), ((2, 3), (2,), (0, 1)), ((1, 3), (2, 3), (0, 1))],
)
def test_rows_that_do_not_fit_are_not_copied(found, expected, rows):
    assert copied_rows(torch.zeros(found), torch.zeros(expected), rows) is None
