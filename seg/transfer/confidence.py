"""Only what the teacher is sure of is taught: pixels whose probability is far from one half."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seg.config import Section
from seg.transfer.component import Component, ComponentInfo, Forward, Task


class ConfidenceSettings(Section):
    """Knobs of `confidence`."""

    threshold: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Least probability of the teacher's own answer, organ or not, at which a pixel is taught; 0.5 teaches all.

    Source: Sohn et al. 2020 (FixMatch), figure 3: 0.95 errs least, a lower one lets wrong answers through; Yang et al.
    2023 (UniMatch), released settings, keep it for slices of ACDC.
    """


class Confidence(Component):
    """Trusts a pixel of the teacher where max(p, 1 - p) >= threshold, organ by organ.

    What is left out at first is the organ's margin, and the whole organ on scans unlike the labelled ones; the labels
    have to do there. It costs no pass, but a network can be sure and wrong; `uncertainty` asks whether it stays sure.
    Source: Sohn et al. 2020 (FixMatch), equation 4.
    """

    def __init__(self, threshold: float) -> None:
        """`threshold` from 0.5 to 1."""
        self._threshold = threshold

    def trust(self, forward: Forward, stream: str) -> Tensor | None:
        """1 where the teacher is sure, else 0; nothing to say where nobody teaches."""
        taught = forward.taught(stream)
        if taught is None:
            return None
        sure = torch.maximum(taught.probabilities, 1 - taught.probabilities)
        return (sure >= self._threshold).float()


def _make(task: Task, settings: ConfidenceSettings) -> Confidence:
    return Confidence(settings.threshold)


COMPONENT = ComponentInfo(
    title="Confident pixels: the teacher is heard where it is sure",
    level="parameter",
    moves="nothing by itself; it chooses among what mean_teacher moves",
    learns="the student, from labels and from the teacher's certain pixels",
    needs=("teacher",),
    paper="Sohn et al. 2020, FixMatch: simplifying semi-supervised learning with consistency and confidence",
    make=_make,
    settings=ConfidenceSettings,
)
