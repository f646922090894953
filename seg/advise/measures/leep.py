"""LEEP: how well the source's own answers, translated, say the target's labels."""

import math

import numpy as np
from numpy.typing import NDArray

from seg.advise.evidence import Evidence, Numbers, Place
from seg.advise.measures.measure import Judge, MeasureInfo


def leep(opinions: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean log of sum over z of P(label | z) opinion(z), where P(label | z) is the opinions' empirical conditional.

    `opinions` are the source's probabilities (samples, source classes). At most 0; labels that all occur equally often
    and opinions that say nothing give -log of their number. NaN for labels that are all alike.

    Source: Nguyen et al. 2020, LEEP, section 3, steps 1 to 3 and eq. 2.
    """
    classes, labels = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        return math.nan
    joint = np.zeros((len(classes), opinions.shape[1]))
    np.add.at(joint, labels, opinions)
    mass = joint.sum(axis=0)
    translation = joint / np.where(mass > 0, mass, 1.0)
    expected = (opinions * translation[labels]).sum(axis=1)
    return float(np.log(expected).mean())


def _judge(evidence: Evidence, place: Place) -> Judge | None:
    pixels = evidence.target.pixels(place)
    opinions = pixels.opinions
    if not evidence.heads or opinions is None or opinions.shape[1] < 2:
        return None

    def value(cases: Numbers) -> float:
        rows = pixels.rows(cases)
        return leep(opinions[rows], pixels.labels[rows])

    return value


MEASURE = MeasureInfo(
    name="leep",
    title="LEEP",
    question="heads tell",
    looks_at="how likely the target's labels are, given what the source's heads say of the same pixels",
    better="higher",
    alike=0.014,
    needs=("labels", "source heads"),
    paper="Nguyen et al. 2020, LEEP: a new measure to evaluate transferability of learned representations",
    judge=_judge,
)
