"""Where an encoder's published weights lie, whether they are on this machine, and whether the network is there."""

import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import segmentation_models_pytorch as smp
import timm
import torch

from seg.models.encoders import TIMM

PROBE_S = 3.0
"""How long the network may take to answer before it counts as absent."""


@dataclass(frozen=True)
class Published:
    """The published weights of one encoder."""

    argument: str | bool
    """What smp wants to hear to load them."""
    place: str
    """A repository of the hub, or a URL."""
    revision: str | None = None
    files: tuple[str, ...] = ()
    """Names in the repository, any of which holds the weights."""


def published_weights(name: str) -> Published | None:
    """The ImageNet weights of an encoder, else the first that are published for it, else None."""
    if name.startswith(TIMM):
        return _of_timm(name.removeprefix(TIMM))
    offered = smp.encoders.encoders[name]["pretrained_settings"]
    chosen = "imagenet" if "imagenet" in offered else next(iter(offered), None)
    if chosen is None:
        return None
    return Published(chosen, offered[chosen]["repo_id"], offered[chosen]["revision"], ("model.safetensors",))


def _of_timm(name: str) -> Published | None:
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        return None
    if not cfg.hf_hub_id:
        return Published(True, cfg.url)
    repository, _, revision = cfg.hf_hub_id.partition("@")
    named = (cfg.hf_hub_filename,) if cfg.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    return Published(True, repository, revision or None, named)


def cached_file(published: Published) -> Path | None:
    """The weights where an earlier download left them, or None."""
    if not published.files:
        path = Path(torch.hub.get_dir()) / "checkpoints" / published.place.rsplit("/", 1)[-1]
        return path if path.is_file() else None
    for file in published.files:
        found = huggingface_hub.try_to_load_from_cache(published.place, file, revision=published.revision)
        if isinstance(found, str):
            return Path(found)
    return None


def why_unreachable(published: Published) -> str:
    """Why the weights cannot be downloaded now, in words; empty where they can. Takes at most 3 seconds.

    Asked first because huggingface_hub itself retries for about 23 s. Proxies, `HF_ENDPOINT` and `HF_HUB_OFFLINE` are
    respected.
    """
    if huggingface_hub.constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0").lower() in (
        "1",
        "true",
        "yes",
        "on",
    ):
        return "HF_HUB_OFFLINE is set"
    address = huggingface_hub.constants.ENDPOINT if published.files else published.place
    answers: list[str] = []
    # A thread, because no socket timeout covers a name server that does not answer.
    probe = threading.Thread(target=lambda: answers.append(_probe(address)), daemon=True)
    probe.start()
    probe.join(PROBE_S)
    return answers[0] if answers else f"{address} did not answer within {PROBE_S:.0f} s"


def _probe(address: str) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PROBE_S):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code < 500 and error.code != 407 else f"{address} answers {error.code}"
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        # Somebody answered; the hub's own client may know the certificate that Python does not.
        return "" if isinstance(reason, ssl.SSLCertVerificationError) else f"{address} cannot be reached ({reason})"


@contextmanager
def cache_only() -> Iterator[None]:
    """Let huggingface_hub look into its cache alone, so that it does not wait for a network."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before
