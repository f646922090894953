"""An encoder and its decoder by name: everything segmentation-models-pytorch and timm know.

CNNs and hierarchical transformers get a U-Net decoder, plain transformers (ViT, DeiT, DINO) a DPT decoder.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from seg.errors import UsageError, nearest

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Source: torchvision's ImageNet transforms, R G B in [0, 1]."""
INCEPTION_ENCODERS = ("inception", "xception")
"""smp's encoders that were trained on images in [-1, 1]; timm's say so themselves."""
TIMM = "tu-"
DPT_MAPS = 4
DPT_WIDTH = 256
"""Maps that the DPT decoder reads and channels that it puts out. Source: Ranftl et al. 2021, section 3."""
TRIED_SIZES = ((64, 64), (96, 160))


@dataclass(frozen=True)
class Parts:
    """What a network is put together from."""

    encoder: nn.Module
    decoder: nn.Module
    width: int
    """Channels that the decoder puts out."""
    scale: int
    """Image pixels per pixel of the decoder's output."""
    plain_transformer: bool
    """True where the encoder hands out (maps, class tokens) instead of a pyramid."""


@dataclass(frozen=True)
class TimmFacts:
    """How a timm model is to be built."""

    plain_transformer: bool = False
    """All blocks work on one grid, as in ViT, DeiT and DINO."""
    class_token: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    """What makes it take any multiple of 32 pixels, as far as it can."""


def encoder_names() -> tuple[str, ...]:
    """Every name that `model.encoder` takes; timm's with `tu-` in front, with and without the name of their weights."""
    timm_names = (*timm.list_models(), *timm.list_pretrained())
    return (*smp.encoders.get_encoder_names(), *(f"{TIMM}{name}" for name in timm_names))


def check_encoder_name(name: str) -> None:
    """Raise UsageError with the nearest known name where nobody knows `name`."""
    known = name in encoder_names()
    if known:
        return
    raise UsageError(
        found=f"encoder {name!r}",
        expected="an encoder of segmentation-models-pytorch, or tu-<name> for one of timm",
        fix=f"choose such as resnet50, mit_b0, tu-convnext_nano.{nearest(name, encoder_names())}",
        code="unknown-encoder",
    )


def build_parts(
    name: str, channels: int, decoder_channels: Sequence[int], *, pretrained: str | bool | None = None
) -> Parts:
    """Encoder and decoder with random weights, or with the encoder's published ones where `pretrained` names them.

    `pretrained` is smp's word for the weights, True for timm's; both may use the network. None gives random ones.

    Raises UsageError for an unknown name, a number of decoder widths other than 3 to 5, and a timm model that hands
    out no features or takes only one image size.
    """
    check_encoder_name(name)
    if not 3 <= len(decoder_channels) <= 5:
        raise UsageError(
            found=f"model.decoder_channels with {len(decoder_channels)} widths", expected="3 to 5 widths",
            fix="give one width per stage, such as [256,128,64,32,16]", code="decoder-channels",
        )  # fmt: skip
    try:
        parts = _build(name, channels, decoder_channels, pretrained)
    except (AssertionError, AttributeError, IndexError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        if pretrained:
            raise
        raise unsuited(name, error) from error
    if name.startswith(TIMM) and not pretrained:
        try_sizes(name, parts.encoder, channels)
    return parts


def _build(name: str, channels: int, decoder_channels: Sequence[int], pretrained: str | bool | None) -> Parts:
    facts = timm_facts(name)
    common = {"encoder_name": name, "in_channels": channels, "encoder_weights": pretrained, **facts.options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # smp and timm announce renamed models; the name was the person's choice
        if facts.plain_transformer:
            model = smp.DPT(encoder_depth=DPT_MAPS, decoder_readout="cat" if facts.class_token else "ignore", **common)
            return Parts(model.encoder, model.decoder, width=DPT_WIDTH, scale=2, plain_transformer=True)
        depth = len(decoder_channels)
        model = smp.Unet(encoder_depth=depth, decoder_channels=tuple(decoder_channels), **common)
    return Parts(model.encoder, model.decoder, width=decoder_channels[-1], scale=1, plain_transformer=False)


@cache
def timm_facts(name: str) -> TimmFacts:
    """How a timm model is to be built; nothing special for smp's own encoders.

    Patches of 14 pixels (DINOv2) do not fit the DPT decoder; 16 do, and timm resamples the published patch embedding.
    """
    if not name.startswith(TIMM):
        return TimmFacts()
    cfg = timm.get_pretrained_cfg(name.removeprefix(TIMM))
    bare = _bare_timm(name, {})
    reductions = [stage["reduction"] for stage in bare.feature_info]
    plain = len(set(reductions)) == 1 and len(reductions) >= DPT_MAPS
    options = next(found for found in _SIZE_OPTIONS if _accepts(name, found)) if cfg and cfg.fixed_input_size else {}
    if plain:
        options = {**options, "num_classes": 0}
    if plain and reductions[0] not in (8, 16, 32):
        options = {**options, "patch_size": 16}
    return TimmFacts(plain, plain and bare.num_prefix_tokens > 0, options)


_SIZE_OPTIONS: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


def _accepts(name: str, options: dict[str, Any]) -> bool:
    try:
        _bare_timm(name, options)
    except TypeError:
        return False
    return True


def _bare_timm(name: str, options: dict[str, Any]) -> Any:
    with torch.device("meta"):
        return timm.create_model(name.removeprefix(TIMM), pretrained=False, **options)


@torch.no_grad()
def try_sizes(name: str, encoder: nn.Module, channels: int) -> None:
    """Raise UsageError where the encoder does not take two different multiples of 32 pixels."""
    encoder.eval()
    try:
        for size in TRIED_SIZES:
            encoder(torch.zeros(1, channels, *size))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise unsuited(name, error) from error
    finally:
        encoder.train()


def unsuited(name: str, error: Exception) -> UsageError:
    """The error of an encoder that exists but cannot be used here."""
    return UsageError(
        found=f"encoder {name!r}, which does not work here ({' '.join(str(error).split())[:200]})",
        expected="an encoder that hands out feature maps for images of any multiple of 32 pixels",
        fix="choose another, such as resnet50, mit_b0, tu-convnext_nano, tu-swin_tiny_patch4_window7_224",
        code="unsuited-encoder",
    )


def input_statistics(name: str, channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel that the published weights of `name` expect of images in [0, 1].

    Repeated for every group of three channels; any other number of channels gets the grey averages.
    """
    mean, std = _published_statistics(name)
    if len(mean) != 3 or channels % 3:
        return [sum(mean) / len(mean)] * channels, [sum(std) / len(std)] * channels
    return list(mean) * (channels // 3), list(std) * (channels // 3)


def _published_statistics(name: str) -> tuple[Sequence[float], Sequence[float]]:
    if name.startswith(TIMM):
        cfg = timm.get_pretrained_cfg(name.removeprefix(TIMM))
        return (cfg.mean, cfg.std) if cfg is not None else (IMAGENET_MEAN, IMAGENET_STD)
    if name.startswith(INCEPTION_ENCODERS):
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    return IMAGENET_MEAN, IMAGENET_STD
