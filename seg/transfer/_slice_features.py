"""One feature vector per slice, from the encoder that a training starts with."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from seg.atomic import atomic_file
from seg.data.cache import PreparedCase
from seg.data.prepare import Plane, stack_neighbours
from seg.models.network import SIZE_STEP, SegNetwork

Features = NDArray[np.float32]

_VERSION = "1"


def pooled_features(
    network: SegNetwork, cases: Sequence[PreparedCase], neighbours: int, batch_size: int, cache: Path
) -> Features:
    """(slices, channels): the encoder's deepest map of every whole slice, averaged over its area.

    Slices stand in the order of the cases. A plain transformer with a class token gives that token instead. The network
    computes in evaluation mode and has its own mode again afterwards. Features that the same encoder made before come
    from `cache`.
    """
    place = cache / "slice-features" / f"{_key(network, cases, neighbours)}.npy"
    known = _read(place, sum(len(case) for case in cases))
    if known is not None:
        return known
    training = network.training
    network.eval()
    features = np.concatenate(list(_computed(network, _inputs(cases, neighbours), batch_size)))
    network.train(training)
    with atomic_file(place) as temporary, temporary.open("wb") as file:
        np.save(file, features)
    return features


def _inputs(cases: Sequence[PreparedCase], neighbours: int) -> Iterator[Plane]:
    for case in cases:
        for z in range(len(case)):
            image = stack_neighbours(case.image, z, neighbours if case.contiguous else 0, case.contiguous)
            yield image if case.contiguous else np.repeat(image, 2 * neighbours + 1, axis=0)


@torch.no_grad()
def _computed(network: SegNetwork, inputs: Iterator[Plane], batch_size: int) -> Iterator[Features]:
    device = network.input_mean.device
    for shape, alike in groupby(inputs, key=lambda plane: plane.shape):
        padding = (0, -shape[2] % SIZE_STEP, 0, -shape[1] % SIZE_STEP)
        while group := [plane for _, plane in zip(range(batch_size), alike, strict=False)]:
            images = F.pad(torch.from_numpy(np.stack(group)), padding).to(device)
            yield network.encode(images)[-1].mean((2, 3)).float().cpu().numpy()


def _key(network: SegNetwork, cases: Sequence[PreparedCase], neighbours: int) -> str:
    """Changes with the encoder's weights and with the scans, whose folders are named by their content."""
    made_of = (_VERSION, neighbours, [case.folder.name for case in cases])
    digest = hashlib.sha256(repr(made_of).encode())
    for tensor in (network.input_mean, network.input_std, *network.encoder.state_dict().values()):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _read(place: Path, slices: int) -> Features | None:
    try:
        found: Features = np.load(place, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.ndim == 2 and len(found) == slices else None
