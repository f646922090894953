"""Whole slices through a network, batch by batch, and back onto the scan's own grid; memory bounded by a few slices."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seg.data.plan import Plan
from seg.data.prepare import Plane, prepared_planes, resize, stack_neighbours
from seg.data.volume import CaseImage

_MULTIPLE = 32
"""Encoders halve the resolution five times."""

_FLIP_AXES = {"left_right": -1, "front_back": -2}

Probabilities = NDArray[np.float32]
"""(organ, y, x), 0 to 1."""


@dataclass(frozen=True)
class Inference:
    """How slices go through the network."""

    device: torch.device
    autocast: Callable[[], AbstractContextManager[None]]
    batch_size: int
    flips: tuple[str, ...] = ()


def predict_case(network: nn.Module, image: CaseImage, plan: Plan, how: Inference) -> Iterator[Probabilities]:
    """Per slice the organ probabilities on the case's own in-plane grid."""
    inputs = _with_neighbours(prepared_planes(image, plan), plan.neighbours, image.contiguous)
    for z, probabilities in enumerate(predict_slices(network, inputs, how)):
        own_shape = np.asarray(image.channels[0][z]).shape
        yield resize(probabilities, (own_shape[0], own_shape[1]))


def predict_slices(network: nn.Module, inputs: Iterable[Plane], how: Inference) -> Iterator[Probabilities]:
    """Organ probabilities of each (channel, y, x) input, in order; neighbours of equal size share a batch."""
    network.eval()
    for _, alike in groupby(inputs, key=lambda plane: plane.shape):
        for group in _batches(alike, how.batch_size):
            yield from _forward(network, torch.from_numpy(np.stack(group)), how).numpy()


def _batches(planes: Iterable[Plane], size: int) -> Iterator[list[Plane]]:
    group: list[Plane] = []
    for plane in planes:
        group.append(plane)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


@torch.inference_mode()
def _forward(network: nn.Module, images: Tensor, how: Inference) -> Tensor:
    height, width = images.shape[-2:]
    padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    padded = F.pad(images.to(how.device), padding).contiguous(memory_format=torch.channels_last)
    views = [()] + [(_FLIP_AXES[flip],) for flip in how.flips]
    total = torch.zeros(())
    for axes in views:
        with how.autocast():
            masks = network(padded.flip(axes) if axes else padded).masks
        probabilities = masks.float().sigmoid()
        total = total + (probabilities.flip(axes) if axes else probabilities)
    return (total / len(views))[..., :height, :width].cpu()


def _with_neighbours(planes: Iterator[Plane], neighbours: int, contiguous: bool) -> Iterator[Plane]:
    """Each plane stacked with its neighbours while at most 2 * neighbours + 1 planes are held."""
    if not contiguous or neighbours == 0:
        for plane in planes:
            yield stack_neighbours([plane], 0, neighbours, contiguous)
        return
    window: deque[Plane] = deque(maxlen=2 * neighbours + 1)
    for plane in planes:
        window.extend([plane] * (neighbours + 1 if not window else 1))
        if len(window) == window.maxlen:
            yield _joined(window)
    for _ in range(neighbours if window else 0):
        window.append(window[-1])
        if len(window) == window.maxlen:
            yield _joined(window)


def _joined(window: deque[Plane]) -> Plane:
    stacked = np.stack(list(window), axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])


def label_plane(probabilities: Probabilities, values: Sequence[int]) -> NDArray[np.uint16]:
    """(y, x) label values: the likeliest organ where one has at least probability 0.5, else 0."""
    best = probabilities.argmax(axis=0)
    labels: NDArray[np.uint16] = np.asarray(values, dtype=np.uint16)[best]
    labels[probabilities.max(axis=0) < 0.5] = 0
    return labels
