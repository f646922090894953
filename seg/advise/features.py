"""A network's features of a few slices of labelled cases: one pass per case, one case at a time, kept on disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seg.advice_settings import FeatureSettings
from seg.advise.evidence import CaseFeatures, Draw, Seen
from seg.advise.kept_features import features_key, network_digest, read_features, write_features
from seg.advise.pixels import Pixels, draw_pixels, spread_slices
from seg.data.cache import PreparedCase
from seg.data.prepare import stack_neighbours
from seg.errors import DataError
from seg.models.network import SIZE_STEP, Output, SegNetwork
from seg.progress import Progress, silent

_LAYERS = 3
"""Of the decoder, the last ones. Source: Yang et al. 2023 (CC-FV), released settings; every decoder has so many."""
_EARLY_MAP = 2
"""Of a pyramid: a quarter of the image's resolution, the first map that CNNs and transformers both have."""


def see(
    network: SegNetwork,
    cases: Sequence[PreparedCase],
    neighbours: int,
    edge_width_px: int,
    cache: Path,
    settings: FeatureSettings | None = None,
    progress: Progress = silent,
) -> Seen:
    """What a network in evaluation mode makes of labelled cases; the same network, cases and settings give the same.

    The network has its own mode again afterwards. Features that the same network made of a case before come from
    `cache`. DataError where no case shows an organ.
    """
    settings = settings or FeatureSettings()
    chosen = _chosen([case for case in cases if case.organ_slices], settings)
    digest, training, found = network_digest(network), network.training, []
    network.eval()
    try:
        for number, case in enumerate(chosen):
            made_of = (neighbours, edge_width_px, settings.slices, settings.pixels)
            place = cache / "advice-features" / f"{features_key(digest, case, made_of)}.npz"
            features = read_features(place, case)
            if features is None:
                features = _computed(network, case, neighbours, edge_width_px, settings)
                write_features(place, features)
            found.append(features)
            progress(number + 1, len(chosen), case.name)
    finally:
        network.train(training)
    return Seen(tuple(found))


def _chosen(cases: Sequence[PreparedCase], settings: FeatureSettings) -> list[PreparedCase]:
    if not cases:
        raise DataError(
            found="no scan that shows the organ", expected="labelled scans with the organ in them",
            fix="give labelled scans, or check data.labels", code="no-organ-slices",
        )  # fmt: skip
    ordered = sorted(cases, key=lambda case: case.name)
    places = np.random.default_rng(settings.seed).permutation(len(ordered))[: settings.cases]
    return [ordered[place] for place in sorted(places)]


@torch.no_grad()
def _computed(
    network: SegNetwork, case: PreparedCase, neighbours: int, edge_width_px: int, settings: FeatureSettings
) -> CaseFeatures:
    slices = spread_slices(case, settings.slices)
    pixels = draw_pixels(case, slices, settings.pixels, edge_width_px)
    images = _images(case, slices, neighbours).to(network.input_mean.device)
    with _decoder_layers(network) as layers:
        output: Output = network(images)
    size = (images.shape[2], images.shape[3])
    early = output.features[0 if network.plain_transformer else _EARLY_MAP]
    return CaseFeatures(
        name=case.name,
        patient=case.patient,
        pooled=_plain(output.features[-1].mean((2, 3))),
        bands=_band_means(_at(early, pixels, size), pixels, len(slices)),
        layers=tuple(_at(layer, pixels, size) for layer in layers[-_LAYERS:]),
        masks=_at(output.masks, pixels, size),
        edges=None if output.edges is None else _at(output.edges, pixels, size),
        draws=pixels.draws,
        organs=pixels.organs,
        slices=pixels.slices,
    )


def _images(case: PreparedCase, slices: Sequence[int], neighbours: int) -> Tensor:
    """The slices with their neighbours, padded to what the network takes; a lone slice is repeated."""
    around = neighbours if case.contiguous else 0
    stacked = np.stack([stack_neighbours(case.image, z, around, case.contiguous) for z in slices])
    if not case.contiguous:
        stacked = np.repeat(stacked, 2 * neighbours + 1, axis=1)
    height, width = stacked.shape[2:]
    return F.pad(torch.from_numpy(stacked), (0, -width % SIZE_STEP, 0, -height % SIZE_STEP))


@contextmanager
def _decoder_layers(network: SegNetwork) -> Iterator[list[Tensor]]:
    """Within, a list that a pass through the decoder adds the output of each of its layers to, the deepest first."""
    kept: list[Tensor] = []
    decoder = network.decoder
    layers = cast(nn.ModuleList, decoder.fusion_blocks if network.plain_transformer else decoder.blocks)

    def keep(_module: nn.Module, _given: object, output: Tensor) -> None:
        kept.append(output)

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def _at(maps: Tensor, pixels: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
    """(pixels, channels) of maps (slice, channel, y, x) that cover images of `size`, linear between their cells."""
    found = np.empty((len(pixels.slices), maps.shape[1]), np.float32)
    scale = 2 / np.array([size[1], size[0]])
    for number in range(len(maps)):
        chosen = pixels.slices == number
        centres = (pixels.places[chosen][:, ::-1] + 0.5) * scale - 1
        grid = torch.from_numpy(centres.astype(np.float32)).to(maps.device)[None, :, None]
        sampled = F.grid_sample(maps[number : number + 1].float(), grid, padding_mode="border", align_corners=False)
        found[chosen] = _plain(sampled[0, :, :, 0].T)
    return found


def _band_means(early: NDArray[np.float32], pixels: Pixels, slices: int) -> NDArray[np.float32]:
    band = pixels.draws == Draw.BAND
    chosen = [band & (pixels.slices == number) for number in range(slices)]
    means = [early[where].mean(axis=0) for where in chosen if where.any()]
    return np.stack(means) if means else early[:0]


def _plain(tensor: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.float().cpu().numpy()
    return found
