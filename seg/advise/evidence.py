"""What a network makes of a few slices of every case: the one thing that all measures are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Place = Literal["whole", "boundary"]
"""Where features are taken: from whole slices, or from the organs' boundary band."""
PLACES: tuple[Place, ...] = ("whole", "boundary")
Numbers = NDArray[np.int64]


class Draw(IntEnum):
    """Why a pixel was drawn."""

    ORGAN = 0
    """Shows an organ."""
    OTHER = 1
    """Shows none."""
    BAND = 2
    """Lies in the boundary band of an organ."""
    BEYOND = 3
    """Lies in no band."""
    ANY = 4
    """Lies in the slice."""


@dataclass(frozen=True)
class CaseFeatures:
    """A few slices of one labelled case as a network sees them."""

    name: str
    patient: str
    pooled: NDArray[np.float32]
    """(slices, channels) the encoder's deepest map, averaged over the slice."""
    bands: NDArray[np.float32]
    """(slices, channels) an early map of the encoder, averaged over the organs' boundary band; slices without one are
    left out. Early, since the decoder is made to tell the source's organ from all the others."""
    layers: tuple[NDArray[np.float32], ...]
    """(pixels, channels) of each of the decoder's last layers at the drawn pixels; what the heads read is the last."""
    masks: NDArray[np.float32]
    """(pixels, source organs) logits of the mask head."""
    edges: NDArray[np.float32] | None
    """The same of the edge head."""
    draws: NDArray[np.uint8]
    """(pixels,) Draw."""
    organs: NDArray[np.uint8]
    """(pixels,) number of the organ that a pixel of `Draw.ORGAN` shows, from 1; 0 for the others."""
    slices: NDArray[np.uint8]
    """(pixels,) which of the slices."""


@dataclass(frozen=True)
class Vectors:
    """Feature vectors and the case that each is of."""

    values: NDArray[np.float64]
    """(samples, channels)."""
    cases: Numbers
    """(samples,) number of the case."""

    def rows(self, cases: Numbers) -> Numbers:
        """The rows of these cases, those of a case as often as it is named."""
        return np.concatenate([np.flatnonzero(self.cases == case) for case in cases])


@dataclass(frozen=True)
class LabelledVectors(Vectors):
    """Vectors of pixels, with what the reference says of them and what the source's heads say."""

    labels: Numbers
    """(samples,) 0 for none; the organ's number on whole slices, 1 in the boundary band."""
    opinions: NDArray[np.float64] | None
    """(samples, source classes) probabilities that sum to 1, `none` first; None where there is no such head."""


@dataclass(frozen=True)
class Seen:
    """The cases of one data set as a network sees them."""

    cases: tuple[CaseFeatures, ...]

    @property
    def patients(self) -> tuple[str, ...]:
        """Of each case."""
        return tuple(case.patient for case in self.cases)

    def slices(self, place: Place) -> Vectors:
        """One vector per slice: the pooled deepest map, or the early map pooled over the boundary band."""
        return _together([case.pooled if place == "whole" else case.bands for case in self.cases])

    def pixels(self, place: Place) -> LabelledVectors:
        """What the heads read at pixels of each label, about as many inside as outside."""
        inside, outside = (Draw.ORGAN, Draw.OTHER) if place == "whole" else (Draw.BAND, Draw.BEYOND)
        chosen = [np.flatnonzero((case.draws == inside) | (case.draws == outside)) for case in self.cases]
        found = _together([case.layers[-1][rows] for case, rows in zip(self.cases, chosen, strict=True)])
        pairs = list(zip(self.cases, chosen, strict=True))
        labels = np.concatenate([case.organs[rows] if place == "whole" else case.draws[rows] == inside
                                 for case, rows in pairs])  # fmt: skip
        heads = [case.masks if place == "whole" else case.edges for case in self.cases]
        known = [head[rows] for head, rows in zip(heads, chosen, strict=True) if head is not None]
        opinions = _probabilities(np.concatenate(known)) if len(known) == len(heads) else None
        return LabelledVectors(found.values, found.cases, labels.astype(np.int64), opinions)

    def drawn(self, layer: int, draw: Draw, organ: int | None = None) -> list[NDArray[np.float64]]:
        """Per case the (pixels, channels) of a decoder layer at the pixels of a draw, of one organ where given."""
        found = []
        for case in self.cases:
            chosen = case.draws == draw
            if organ is not None:
                chosen = chosen & (case.organs == organ)
            found.append(case.layers[layer][chosen].astype(np.float64))
        return found

    @property
    def organs(self) -> tuple[int, ...]:
        """Numbers of the organs that any of the cases shows."""
        return tuple(sorted({int(organ) for case in self.cases for organ in np.unique(case.organs)} - {0}))


@dataclass(frozen=True)
class Evidence:
    """All that is known of one source and one target without training."""

    target: Seen
    """The target's labelled cases, seen by the source's network."""
    source: Seen | None = None
    """The source's own labelled cases, seen by the same network; None where they are not there."""
    heads: bool = False
    """Whether the source's heads learned something."""


def _together(parts: Sequence[NDArray[np.float32]]) -> Vectors:
    cases = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Vectors(np.concatenate(parts).astype(np.float64), cases)


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of `none` and of each organ, given that a pixel shows one organ at most.

    Heads give independent odds p / (1 - p) = exp(logit) per organ; given that not two hold at once, the probabilities
    are proportional to 1 and exp(logit). With one organ that is the sigmoid and the rest.
    """
    with_none = np.concatenate([np.zeros((len(logits), 1)), logits.astype(np.float64)], axis=1)
    powers = np.exp(with_none - with_none.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
