"""Labelled and unlabelled slices pasted into one another, the teacher labelling what has no label (BCP)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seg.models.norms import statistics_held
from seg.registry import LOSSES
from seg.transfer._rising import RisingSettings, rising_weight
from seg.transfer.component import Component, ComponentInfo, Forward, Task
from seg.values import NotNegative

_LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
_ORGAN = 0.5
"""Least probability of the teacher that makes a pixel the organ's, as in predictions."""
_STREAM = 0x626370
"""Sets these random numbers apart from those of other components."""


class CopyPasteSettings(RisingSettings):
    """Knobs of `copy_paste`."""

    pseudo_weight: NotNegative = 0.5
    """Weight of pixels that the teacher labelled, relative to those of labelled slices.

    Source: Bai et al. 2023 (BCP), released code for slices of ACDC.
    """
    side: Annotated[float, Field(gt=0, lt=1)] = 0.667
    """Side of the pasted rectangle as a share of the slice's.

    Two thirds, with which both slices have about half of the pixels. Source: Bai et al. 2023 (BCP), code for ACDC.
    """


@dataclass(frozen=True)
class Mixture:
    """Slices made of two."""

    images: Tensor
    """(batch, channel, y, x)."""
    masks: Tensor
    """(batch, organ, y, x), 0 or 1: labels and the teacher's answers."""
    labelled: Tensor
    """(batch, 1, y, x) bool: pixels of labelled slices that have a label."""
    pseudo: Tensor
    """(batch, 1, y, x) bool: pixels of unlabelled slices that the teacher saw and is trusted in."""


class CopyPaste(Component):
    """`copy_paste`: mask loss on mixed slices, where labels reign on one part and the teacher's answers on the other.

    A rectangle of the unlabelled slice goes into the labelled one, and the other way round in every other slice; the
    two directions take turns within one pass, which costs as much as the labelled slices do, not twice as much.
    Unlabelled slices are in the student's view and the teacher's answers with them. Mixtures do not move norm
    statistics: predictions are made on whole slices.

    The authors keep only the largest part of what the teacher found. Not here: one slice of a pancreas shows several
    parts and one of both kidneys two, and all but one would be taught as background.

    Source: Bai et al. 2023, Bidirectional copy-paste, section 3, and released code.
    """

    def __init__(self, task: Task, settings: CopyPasteSettings) -> None:
        """Rectangles are drawn by `train.seed` and the step."""
        self._settings = settings
        self._train = task.settings.train
        self._loss: _LossFunction = LOSSES.load(task.settings.loss.mask).LOSS.compute
        # Where no target patient is labelled, the source's scans show the same organs and are the labelled ones.
        self._labels = "labelled" if task.cases.get("labelled") else "source"

    def streams(self) -> tuple[str, ...]:
        """Slices with labels, and unlabelled ones of the target."""
        return (self._labels, "unlabelled")

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`copy_paste`; nothing, and no pass, while its weight is 0."""
        weight = rising_weight(self._settings, forward.progress, forward.total_steps)
        mixture = self.mixture(forward, step) if weight > 0 else None
        if mixture is None:
            return {}
        with statistics_held(forward.network):
            logits = forward.over_rows(lambda rows: forward.network(rows).masks, mixture.images)
        certain = self._loss(logits, mixture.masks, mixture.labelled)
        pseudo = self._loss(logits, mixture.masks, mixture.pseudo)
        return {"copy_paste": weight * (certain + self._settings.pseudo_weight * pseudo)}

    def mixture(self, forward: Forward, step: int) -> Mixture | None:
        """As many mixed slices as there are pairs; None where nobody teaches."""
        taught = forward.taught("unlabelled")
        if taught is None:
            return None
        one, other = forward.batches[self._labels], forward.batches["unlabelled"]
        pairs = min(len(one.images), len(other.images))
        seed = (self._train.seed * 1_000_003 + step) ^ (_STREAM << 40)
        inside = rectangles(pairs, one.images.shape[2:], self._settings.side, seed)
        pasted_into = (torch.arange(pairs) + step) % 2 == 0
        from_one = (inside ^ pasted_into[:, None, None, None]).to(one.images.device)
        trust = forward.trust("unlabelled")
        trusted = taught.seen if trust is None else taught.seen & (trust.amin(dim=1, keepdim=True) >= _ORGAN)
        answers = (taught.probabilities >= _ORGAN).to(one.masks)
        images = torch.where(from_one, one.images[:pairs], other.images[:pairs])
        layout = torch.channels_last if self._train.channels_last else torch.contiguous_format
        return Mixture(
            images=images.contiguous(memory_format=layout),
            masks=torch.where(from_one, one.masks[:pairs], answers[:pairs]),
            labelled=from_one & one.valid[:pairs],
            pseudo=~from_one & trusted[:pairs],
        )


def rectangles(count: int, shape_yx: tuple[int, ...], side: float, seed: int) -> Tensor:
    """(count, 1, y, x) bool: inside a rectangle of that share of each side, anywhere within the slice."""
    random = torch.Generator().manual_seed(seed)
    inside = torch.ones(count, 1, *shape_yx, dtype=torch.bool)
    for axis, extent in enumerate(shape_yx, start=2):
        length = max(1, round(side * extent))
        start = torch.randint(extent - length + 1, (count, 1, 1, 1), generator=random)
        place = torch.arange(extent).reshape([extent if number == axis else 1 for number in range(4)])
        inside &= (place >= start) & (place < start + length)
    return inside


def _make(task: Task, settings: CopyPasteSettings) -> CopyPaste:
    return CopyPaste(task, settings)


COMPONENT = ComponentInfo(
    title="Bidirectional copy-paste: labelled and unlabelled slices within one another (BCP)",
    level="instance",
    moves="nothing by itself; pieces of labelled slices go into unlabelled ones, and the other way round",
    learns="the student, from labels and from the teacher's answers around them",
    needs=("labels", "unlabelled", "teacher"),
    paper="Bai et al. 2023, Bidirectional copy-paste for semi-supervised medical image segmentation",
    make=_make,
    settings=CopyPasteSettings,
)
