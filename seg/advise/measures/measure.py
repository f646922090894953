"""The contract of a measure: a `MeasureInfo` record named MEASURE, which judges Evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seg.advise.evidence import Evidence, Numbers, Place

Need = Literal["labels", "source heads", "source scans"]
Question = Literal["scans alike", "features tell", "heads tell"]
"""Do the scans look alike to the network, do its features tell the target's labels, do its heads already?"""
Judge = Callable[[Numbers], float]
"""The value over these cases of the target, by number, each counted as often as it is named; NaN where undefined.

What does not change from one choice of cases to the next is computed before, so that resampling patients is cheap.
"""


@dataclass(frozen=True)
class MeasureInfo:
    """One way to foresee how much a source helps, with everything a reader of its numbers has to know."""

    name: str
    """The file's name."""
    title: str
    """What a report calls it."""
    question: Question
    """Which question it answers; measures of the same one say much the same and share a vote."""
    looks_at: str
    """What is compared, in a sentence."""
    better: Literal["higher", "lower"]
    """Which values promise more of a transfer."""
    alike: float
    """Two values no further apart say the same of two sources: 2 % of the range, a choice of this project."""
    needs: tuple[Need, ...]
    """What must be there beside the network and slices of the target that show the organ."""
    paper: str
    judge: Callable[[Evidence, Place], Judge | None]
    """None where the evidence lacks what the measure needs."""

    def value(self, evidence: Evidence, place: Place) -> float | None:
        """The number over all cases of the target; None where it is undefined."""
        judge = self.judge(evidence, place)
        if judge is None:
            return None
        found = judge(np.arange(len(evidence.target.cases)))
        return found if np.isfinite(found) else None
