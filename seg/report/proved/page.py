"""What the page of a proof is made of, before any of it is HTML."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seg.proof.labels import LabelEfficiency
from seg.proof.scores import ScoreTable
from seg.proof.verdict import Verdict


@dataclass(frozen=True)
class ArmPicture:
    """One slice with the reference's outline and that of one arm's prediction.

    Pictures of the same patient are shown side by side: one per arm, the baseline's among them, in the given order.
    """

    arm: str
    patient: str
    """The real name; the page shows its pseudonym unless `ProofPage.show_names`."""
    image: NDArray[np.uint8]
    """(y, x), 0 black to 255 white, as a radiologist would window it."""
    reference: NDArray[np.bool_]
    """(y, x), same grid as the image."""
    prediction: NDArray[np.bool_]
    """(y, x), same grid as the image."""
    dice: float | None
    """Of this arm on this patient, 0 to 1; None where undefined."""
    title: str = ""
    """Why this patient is shown, such as `finetune gains most`; of the first picture of a patient."""


@dataclass(frozen=True)
class SavedLabels:
    """How many labelled patients one arm saves."""

    arm: str
    baseline: str
    efficiency: LabelEfficiency


@dataclass(frozen=True)
class ProofPage:
    """Everything `write_proof` shows. What is empty or None leaves its section out."""

    title: str
    organ_title: str
    sentences: tuple[str, ...]
    """What the experiment says, the most important first; they open the page."""
    verdicts: tuple[Verdict, ...]
    """Arm x size x baseline. Baselines are the arms that others are judged against here."""
    scores: ScoreTable
    """All that plots and table are drawn from. Size 0 means that the number of labelled patients is not known."""
    arms: dict[str, str] = field(default_factory=dict)
    """Arm to what it is in words, in the order of legends; arms that are missing here come behind, without words."""
    labels: tuple[SavedLabels, ...] = ()
    pictures: tuple[ArmPicture, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """How the experiment was made, as (what, value) rows."""
    notes: tuple[str, ...] = ()
    """What was tolerated, left out or decided without being asked."""
    settings_yaml: str = ""
    versions: dict[str, str] | None = None
    show_names: bool = False
    """Print patients' real names instead of P01, P02, ..."""
    kind: str = "Proof of transfer"
    """What stands above the title."""
    transfer: bool = True
    """Whether arms are ways to transfer, which helped or hurt; else they are models, which are better or worse."""
    scored_on: str = "prepared slices of the test patients"
    """Where the Dice of curves and table come from."""
