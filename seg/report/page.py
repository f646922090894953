"""What a report page is made of, before any of it is HTML."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.proof.guarded import Guarded
from seg.records import CurveRow, Evaluation, PartRow
from seg.report.restoration import RestorationOutcome


@dataclass(frozen=True)
class Picture:
    """One slice with the outlines of both masks."""

    title: str
    """Why it is shown, such as `Worst patient`."""
    organ: str
    """Key of `Page.organ_titles`."""
    patient: str
    """The real name; the page shows its pseudonym unless `Page.show_names`."""
    dice: float | None
    """The patient's value, as the table has it."""
    image: NDArray[np.uint8]
    """(y, x), 0 black to 255 white, as a radiologist would window it."""
    reference: NDArray[np.bool_]
    """(y, x), same grid as the image."""
    prediction: NDArray[np.bool_]
    """(y, x), same grid as the image."""


@dataclass(frozen=True)
class Ancestor:
    """One model of the chain that a model goes back to."""

    name: str
    """Of the run, or of published weights."""
    organs: tuple[str, ...] = ()
    strategy: tuple[str, ...] = ()
    validation_dice: float | None = None
    test_dice: tuple[tuple[str, float], ...] = ()
    """Organ and its mean over the test patients."""
    sha256: str = ""


@dataclass(frozen=True)
class SourceCurve:
    """How an earlier model of the chain was trained."""

    name: str
    organs: tuple[str, ...]
    points: tuple[tuple[int, float], ...]
    """Optimiser step and validation Dice, mean over the organs."""


@dataclass(frozen=True)
class Page:
    """Everything `write_report` shows. What is empty or None leaves its section out."""

    title: str
    organ_titles: dict[str, str]
    """Organ name to what the page calls it; an organ that is missing here keeps its name."""
    evaluation: Evaluation | None = None
    curve: tuple[CurveRow, ...] = ()
    best_step: int | None = None
    """The step whose weights were kept; marked in the learning curves."""
    pictures: tuple[Picture, ...] = ()
    data_facts: tuple[tuple[str, str], ...] = ()
    """What the data looked like, as (what, value) rows."""
    notes: tuple[str, ...] = ()
    """What was tolerated or decided without being asked.

    The names of evaluated patients become pseudonyms here and in every other text; names of other patients stay.
    """
    settings_yaml: str = ""
    lineage: tuple[tuple[str, str], ...] = ()
    """Where the model came from, as (what, value) rows; empty where the masks' origin is not known."""
    versions: dict[str, str] | None = None
    show_names: bool = False
    """Print patients' real names instead of P01, P02, ..."""
    split_words: str = ""
    """Completes `On 20 patients ...` in the headline, such as `never used for training`."""
    parts: tuple[PartRow, ...] = ()
    """What became of each part of the network at the start."""
    chain: tuple[Ancestor, ...] = ()
    """The models this one goes back to, the first one first, and itself; empty where it started from nothing."""
    source_curves: tuple[SourceCurve, ...] = ()
    restoration: RestorationOutcome | None = None
    """Of a pretraining, which has no masks to evaluate."""
    guard: Guarded | None = None
    """What was found before a transfer was trained; None where nobody asked."""
    best_of: str = ""
    """Which network the weights of `best_step` are of, such as `teacher` or `student`."""

    def organ_title(self, organ: str) -> str:
        """What the page calls that organ."""
        return self.organ_titles.get(organ) or organ
