import pytest
import timm
import torch

from seg.errors import UsageError
from seg.models.encoders import (
    build_parts,
    check_encoder_name,
    encoder_names,
    input_statistics,
    timm_facts,
)

WIDTHS = (64, 32, 16, 16, 16)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("resnet5O", "resnet50"),
        ("mitb0", "mit_b0"),
        ("convnext_nano", "tu-"),
        ("tu-convnext_nan", "tu-convnext_nano"),
        ("tu-resnet18.tv_in1", "tu-resnet18.tv_in1k"),
    ],
)
def test_an_unknown_encoder_gets_the_nearest_name(wrong, near):
    with pytest.raises(UsageError, match=f"Did you mean '{near}") as refusal:
        build_parts(wrong, 3, WIDTHS)
    assert refusal.value.code == "unknown-encoder"


@pytest.mark.parametrize(
    "name", ["resnet50", "mit_b0", "tu-convnext_nano", "tu-swin_tiny_patch4_window7_224", "tu-resnet18.tv_in1k"]
)
def test_an_offered_name_is_taken(name):
    assert name in encoder_names()
    check_encoder_name(name)


@pytest.mark.parametrize("widths", [(16, 16), (16,) * 6])
def test_a_wrong_number_of_decoder_widths_is_refused(widths):
    with pytest.raises(UsageError, match="3 to 5 widths"):
        build_parts("resnet18", 3, widths)


@pytest.mark.parametrize("widths", [(64, 32, 16), (64, 32, 16, 16)])
def test_a_shallower_decoder_leaves_out_the_deepest_stages(widths):
    parts = build_parts("resnet18", 3, widths)
    features = parts.encoder(torch.rand(2, 3, 64, 64))
    assert features[-1].shape[-1] == 64 // 2 ** len(widths)
    assert parts.decoder(features).shape == (2, 16, 64, 64)


@pytest.mark.parametrize("name", ["tu-maxvit_nano_rw_256", "tu-hiera_tiny_224", "tu-mixer_s16_224"])
def test_an_encoder_of_one_image_size_is_refused_in_words(name):
    with pytest.raises(UsageError, match="any multiple of 32 pixels") as refusal:
        build_parts(name, 3, WIDTHS)
    assert refusal.value.code == "unsuited-encoder"


def test_plain_transformers_are_told_from_hierarchical_ones():
    assert timm_facts("tu-vit_tiny_patch16_224").plain_transformer
    assert timm_facts("tu-vit_tiny_patch16_224").class_token
    assert not timm_facts("tu-swin_tiny_patch4_window7_224").plain_transformer
    assert not timm_facts("tu-convnext_atto").options
    assert not timm_facts("resnet18").plain_transformer


def test_patches_of_14_pixels_become_16():
    assert timm_facts("tu-vit_small_patch14_dinov2").options["patch_size"] == 16
    assert "patch_size" not in timm_facts("tu-vit_tiny_patch16_224").options


def test_the_statistics_are_those_of_the_published_weights():
    assert input_statistics("resnet50", 3) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert input_statistics("inceptionv4", 3) == ([0.5] * 3, [0.5] * 3)
    assert input_statistics("tu-vit_tiny_patch16_224", 3) == ([0.5] * 3, [0.5] * 3)
    assert input_statistics("tu-convnext_atto", 3)[0] == list(timm.get_pretrained_cfg("convnext_atto").mean)


def test_groups_of_three_channels_repeat_the_statistics_and_others_get_grey():
    mean, std = input_statistics("resnet50", 9)
    assert mean == [0.485, 0.456, 0.406] * 3
    assert len(std) == 9
    assert input_statistics("resnet50", 1)[0] == pytest.approx([0.449])
    assert input_statistics("resnet50", 4)[1] == pytest.approx([0.226] * 4)
