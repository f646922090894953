"""The source's slices, made to look like the target's before the network sees them."""

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from seg.config import Augment, Section
from seg.data.augment import Augmentation
from seg.data.dataset import Batch, SliceDataset
from seg.data.order import SliceOrder
from seg.transfer._pixel_transforms import Method, PixelAdaptation
from seg.transfer.component import Component, ComponentInfo, Task
from seg.values import Fraction

_SEED_OFFSET = 2**34
"""Above every seed of a stream, so that references are drawn independently of the slices that are trained on."""


class PixelAdaptationSettings(Section):
    """How source slices are changed."""

    method: Method = "histogram"
    """What a slice takes over from a slice of the target.

    histogram: how the body's grey values are distributed; for other windows, contrast agents or scanners. fourier: the
    amplitudes of the lowest frequencies; for shading, such as an MR coil's. both: one after the other. Matched
    histograms change no outline and bring nothing into the air around the body, hence the default.
    """
    probability: Fraction = 0.5
    """Of changing a slice; the others stay as they are. Source: albumentations' default."""
    beta: Annotated[float, Field(gt=0, le=0.25)] = 0.01
    """fourier: half side of the exchanged square of frequencies, as a share of the slice's side.

    Below 1 / side only the mean is exchanged. Source: Yang & Soatto 2020 use 0.01, 0.05 and 0.09; at 0.05 abdomens
    already show clouds.
    """


class SourceLikeTarget(Component):
    """Changes the images of the `source` stream, never their masks; each slice gets a target slice drawn for it.

    Works with whatever uses the stream: joint, importance, tradaboost, mmd, coral, dann. It only moves grey values and
    shading, which mean the same in every organ, so disjoint organs do no harm. References are labelled and unlabelled
    target slices, cropped to the training square like the source's, not augmented; a source slice has been augmented
    when it arrives, and a matched histogram undoes its change of brightness, contrast and gamma.
    """

    def __init__(self, task: Task, settings: PixelAdaptationSettings) -> None:
        """Draws the order of the references."""
        train, plan = task.settings.train, task.plan
        self._adapt = PixelAdaptation(settings.method, settings.probability, settings.beta)
        self._seed = train.seed + _SEED_OFFSET
        cases = [*task.cases.get("labelled", ()), *task.cases.get("unlabelled", ())]
        # Fraction 0: every target slice once per epoch, with or without an organ.
        order = SliceOrder(cases, self._seed, 0.0)
        crop = Augmentation(Augment(strength=0.0), plan.size_px)
        self._references = SliceDataset(cases, order, crop, plan.neighbours, self._seed)

    def change(self, batches: dict[str, Batch], step: int) -> dict[str, Batch]:
        """Adapt the source's images, where the step has any that the encoder still has to read."""
        batch = batches.get("source")
        if batch is None or batch.features is not None:
            return batches
        count = len(batch.images)
        seeds = np.random.default_rng((self._seed, step)).integers(2**31, size=count)
        changed = [
            self._adapt(image, self._references[step * count + number].sample.image, int(seed))
            for number, (image, seed) in enumerate(zip(batch.images.cpu().numpy(), seeds, strict=True))
        ]
        return {**batches, "source": replace(batch, images=torch.from_numpy(np.stack(changed)).to(batch.images))}


def _make(task: Task, settings: PixelAdaptationSettings) -> SourceLikeTarget:
    return SourceLikeTarget(task, settings)


COMPONENT = ComponentInfo(
    title="Source slices that look like the target's",
    level="instance",
    moves="the source's slices, with grey values or shading of the target's",
    learns="what the components beside it learn",
    needs=("source scans",),
    paper="Yang & Soatto 2020, FDA: Fourier domain adaptation; Nyul & Udupa 1999 (histograms)",
    make=_make,
    settings=PixelAdaptationSettings,
)
