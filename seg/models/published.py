"""An encoder's published weights: from the cache of an earlier download, or over the network."""

from dataclasses import dataclass

from torch import Tensor, nn

from seg import config
from seg.digest import file_sha256
from seg.errors import CheckpointError
from seg.models.encoders import build_parts
from seg.models.hub import Published, cache_only, cached_file, published_weights, why_unreachable


@dataclass(frozen=True)
class PublishedEncoder:
    """An encoder's weights for a number of input channels, and what they are."""

    tensors: dict[str, Tensor]
    source: str
    """Such as `imagenet (<repository>)`."""
    sha256: str
    """Of the file; empty where its place is not known."""
    notes: tuple[str, ...]


def require_published(encoder: str) -> None:
    """Raise CheckpointError where the weights of an encoder are neither in the cache nor can be downloaded."""
    published = published_weights(encoder)
    if published is None:
        raise _unavailable(encoder, "none are published")
    if cached_file(published) is None and (reason := why_unreachable(published)):
        raise _unavailable(encoder, reason)


def published_encoder(settings: config.Model, channels: int) -> PublishedEncoder:
    """The published weights of the settings' encoder; CheckpointError where they cannot be had."""
    published = published_weights(settings.encoder)
    if published is None:
        raise _unavailable(settings.encoder, "none are published")
    tensors = _built(published, settings, channels).state_dict()
    file = cached_file(published)
    what = published.argument if isinstance(published.argument, str) else "imagenet"
    notes = () if what == "imagenet" else (f"{settings.encoder} has no imagenet weights; took {what}",)
    return PublishedEncoder(tensors, f"{what} ({published.place})", file_sha256(file) if file else "", notes)


def _built(published: Published, settings: config.Model, channels: int) -> nn.Module:
    reason = why_unreachable(published)
    if reason and cached_file(published) is None:
        raise _unavailable(settings.encoder, reason)
    try:
        arguments = (settings.encoder, channels, settings.decoder_channels)
        if not reason:
            return build_parts(*arguments, pretrained=published.argument).encoder
        with cache_only():
            return build_parts(*arguments, pretrained=published.argument).encoder
    except Exception as error:  # every network library underneath has errors of its own
        raise _unavailable(settings.encoder, " ".join(str(error).split())[:200]) from error


def _unavailable(encoder: str, reason: str) -> CheckpointError:
    return CheckpointError(
        found=f"no ImageNet weights of {encoder}: {reason}",
        expected="a network, or the weights in the cache of an earlier download",
        fix="connect, or choose model.weights=none (start from nothing), auto (go on without) or <file>",
        code="weights-offline",
    )
