"""Kept features: the encoder is run once over all labelled slices, and only decoder and heads learn from the result."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from seg.config import Section
from seg.data.augment import Sample
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch, Item, collate
from seg.data.order import SliceOrder
from seg.data.plan import plan_to_json
from seg.data.streams import STREAMS
from seg.digest import json_sha256
from seg.errors import UsageError
from seg.models.network import SegNetwork
from seg.models.split_blocks import split_blocks
from seg.models.weights import WeightReport
from seg.transfer._feature_cache import Entry
from seg.transfer._feature_extraction import extract, find_layout, spoken
from seg.transfer._feature_layout import Layout
from seg.transfer._feature_sizes import Sizes
from seg.transfer._feature_views import Views
from seg.transfer.component import Component, ComponentInfo, Task
from seg.values import AboveZero

_VERSION = "1"
_AHEAD = 2
"""Batches that are read from disk while the network is busy."""


class FeatureExtractSettings(Section):
    """How much is kept."""

    views: Annotated[int, Field(ge=1, le=64)] = 4
    """Fixed versions of each slice: the slice itself, then augmented ones; 1 trains without augmentation.

    Features cannot be augmented, so the views stand for the endless augmentation of other strategies. Disk and the time
    before the first step grow with them. A compromise of this project, without a published source.
    """
    limit_gb: AboveZero = 20.0
    """Refuse to keep more than so many gigabytes on disk. A choice of this project."""


class FeatureExtract(Component):
    """The encoder stays as it is, norm statistics included; what learns is read from its kept features.

    Predictions and validation run the same encoder live. Other components may read the images of the batches, but what
    they change in them does not reach the network.
    """

    def __init__(self, task: Task, settings: FeatureExtractSettings) -> None:
        """Makes nothing yet; UsageError where no slice of the target is labelled."""
        self._task, self._settings = task, settings
        self._cases = task.cases.get("labelled", ())
        if not self._cases:
            raise UsageError(
                found="no labelled slices of the target", expected="some, whose features are kept",
                fix="label some, or choose another strategy (seg list strategies)", code="missing-need",
            )  # fmt: skip
        train = task.settings.train
        self._views = Views(task.plan, task.settings.augment, train.seed)
        # The slices that stand at a position of any other supervised training.
        seed = train.seed * len(STREAMS) + STREAMS.index("labelled")
        self._order = SliceOrder(self._cases, seed, train.foreground_fraction)
        self._layout = Layout((0, 0, 0), ())
        self._entries: Sequence[Sequence[Entry]] = ()
        self._pinned = False

    def streams(self) -> tuple[str, ...]:
        """Labelled slices of the target."""
        return ("labelled",)

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Freeze the encoder, and make what the cache lacks of its features.

        Says the sizes first. Raises UsageError where they are beyond the limit, ResourceError beyond the disk.
        """
        network.encoder.requires_grad_(False).eval()
        device = network.input_mean.device
        self._pinned = device.type == "cuda"
        if device.type == "cpu":
            # Measured on CPUs only.
            split_blocks(network)
        sample = next(self._views.batches(self._cases[0], 0, 1))
        self._layout = find_layout(network, sample.images[0])
        self._entries = self._find_entries(network)
        missing = [entry for view in self._entries for entry in view if not entry.is_intact()]
        sizes = Sizes(
            self._layout, sample.masks.numel(), sum(len(case) for case in self._cases), self._settings.views,
            sum(len(entry.case) for entry in missing), self._task.plan.size_px, self._entries[0][0].folder.parent,
        )  # fmt: skip
        for line in sizes.lines:
            self._task.say(line)
        sizes.check(self._settings.limit_gb)
        batch_size = self._task.settings.train.batch_size
        extract(network, missing, self._layout, self._views, batch_size, spoken(self._task.say))

    def set_mode(self, network: SegNetwork, progress: float) -> None:
        """Put the encoder back into evaluation mode; UsageError where another component lets it learn."""
        network.encoder.eval()
        learning = next((name for name, p in network.encoder.named_parameters() if p.requires_grad), None)
        if learning is not None:
            raise UsageError(
                found=f"encoder.{learning} learning beside features of the encoder as it was",
                expected="an encoder that stays as it is",
                fix="leave feature_extract or what lets the encoder learn out of the strategies",
                code="kept-features-learning",
            )  # fmt: skip

    def batches(self, stream: str, steps: range, batch_size: int) -> Iterator[Batch] | None:
        """Labelled slices with their features; which ones, depends on (seed, step) alone."""
        return self._read_ahead(steps, batch_size) if stream == "labelled" else None

    def _read_ahead(self, steps: range, batch_size: int) -> Iterator[Batch]:
        coming: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1) as reader:
            for step in steps:
                coming.append(reader.submit(self._batch, range(step * batch_size, (step + 1) * batch_size)))
                if len(coming) > _AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    def _batch(self, positions: range) -> Batch:
        chosen = [self._at(position) for position in positions]
        read = [entry.read(z) for entry, z in chosen]
        images, features = self._layout.unpack([row for row, _ in read])
        items = [
            Item(Sample(image, masks), f"{entry.case.name}, slice {z}, view {entry.view}")
            for image, (_, masks), (entry, z) in zip(images.numpy(), read, chosen, strict=True)
        ]
        batch = replace(collate(items), features=features)
        return batch.pin_memory() if self._pinned else batch

    def _at(self, position: int) -> tuple[Entry, int]:
        """A slice comes in its next view each time that it comes; neighbours are in different ones."""
        case, z = self._order.at(position)
        view = (position // self._order.epoch_length + z) % self._settings.views
        return self._entries[view][case], z

    def _find_entries(self, network: SegNetwork) -> list[list[Entry]]:
        encoder = _encoder_digest(network)
        folder = self._task.cache / "features"
        return [
            [Entry(folder / self._key(encoder, case, view), case, view) for case in self._cases]
            for view in range(self._settings.views)
        ]

    def _key(self, encoder: str, case: PreparedCase, view: int) -> str:
        """Changes with everything that shapes an entry; the case's folder is named by its content and plan."""
        made_of = {
            "version": _VERSION, "encoder": [self._task.settings.model.encoder, encoder], "case": case.folder.name,
            "plan": plan_to_json(self._task.plan), "seed": self._task.settings.train.seed, "view": view,
            "augment": self._views.augmentation(view).model_dump(mode="json"), "maps": self._layout.parts,
        }  # fmt: skip
        return json_sha256(made_of)[:32]


def _encoder_digest(network: SegNetwork) -> str:
    digest = hashlib.sha256()
    tensors = {**network.encoder.state_dict(), "input_mean": network.input_mean, "input_std": network.input_std}
    for name, tensor in tensors.items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


COMPONENT = ComponentInfo(
    title="Kept features",
    level="feature",
    moves="the source's encoder, which stays as it is; its maps of every slice are computed once",
    learns="decoder and heads",
    needs=("labels",),
    paper="Donahue et al. 2014, DeCAF: a deep convolutional activation feature for generic visual recognition",
    make=FeatureExtract,
    settings=FeatureExtractSettings,
)
