"""Only what the teacher is steady in is taught: pixels on which its noisy looks agree (UA-MT)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seg.config import Section
from seg.transfer._ramp import ramp_up
from seg.transfer.component import Component, ComponentInfo, Forward, Task

_FIRST = 0.75
"""Share of the greatest entropy that is allowed at the start. Source: Yu et al. 2019 (UA-MT), section 3, and code."""


class UncertaintySettings(Section):
    """Knobs of `uncertainty`."""

    looks: Annotated[int, Field(ge=1, le=64)] = 4
    """Noisy passes of the teacher over the unlabelled slices of a step.

    Source: Yu et al. 2019 take 8. Four add half to the time of a step, eight as much again; the pixels they leave out
    differ from those of 16 looks on 0.037 % and 0.028 % of all (0.12 % are left out; pancreas, MobileNetV2, 192 px).
    """


class Uncertainty(Component):
    """Trusts a pixel where the entropy of the teacher's mean answer is below (0.75 + 0.25 ramp) ln 2.

    The mean is over `looks` passes with noise on the slice and dropped channels; its entropy is that of organ or not,
    -p ln p - (1 - p) ln(1 - p), organ by organ. The ramp is exp(-5 (1 - t)^2) over the whole run, at the end of which
    all but the pixels at one half are trusted.
    Source: Yu et al. 2019 (UA-MT), section 2.2, equations 2 and 3, and released code.
    """

    def __init__(self, looks: int) -> None:
        """`looks` passes each time the teacher is asked."""
        self._looks = looks

    def trust(self, forward: Forward, stream: str) -> Tensor | None:
        """1 where the teacher's looks agree, else 0; nothing to say where nobody teaches."""
        taught = forward.taught(stream)
        if taught is None:
            return None
        mean = torch.stack([taught.again(number) for number in range(self._looks)]).mean(dim=0)
        return (binary_entropy(mean) < allowed_entropy(forward.progress)).float()


def binary_entropy(probabilities: Tensor) -> Tensor:
    """-p ln p - (1 - p) ln(1 - p) in nats, 0 for certain answers."""
    other = 1 - probabilities
    return -(torch.xlogy(probabilities, probabilities) + torch.xlogy(other, other))


def allowed_entropy(progress: float) -> float:
    """The threshold in nats when that share of the steps is done."""
    return (_FIRST + (1 - _FIRST) * ramp_up(progress, 1.0)) * math.log(2)


def _make(task: Task, settings: UncertaintySettings) -> Uncertainty:
    return Uncertainty(settings.looks)


COMPONENT = ComponentInfo(
    title="Steady pixels: the teacher is heard where its noisy looks agree (UA-MT)",
    level="parameter",
    moves="nothing by itself; it chooses among what mean_teacher moves",
    learns="the student, from labels and from the pixels in which the teacher is steady",
    needs=("teacher",),
    paper="Yu et al. 2019, Uncertainty-aware self-ensembling model for semi-supervised 3D left atrium segmentation",
    make=_make,
    settings=UncertaintySettings,
)
