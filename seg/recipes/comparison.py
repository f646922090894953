"""What a comparison of finished runs says. No torch."""

from dataclasses import dataclass
from pathlib import Path

from seg.proof.scores import ScoreTable
from seg.proof.sentence import compared_sentence
from seg.proof.table import Cell, rows
from seg.proof.verdict import Verdict
from seg.recipes.compared_arms import ComparedArm


@dataclass(frozen=True)
class ComparedOrgan:
    """What the scores say of one organ."""

    organ: str
    title: str
    scores: ScoreTable
    """One evaluation of each training, at step 0; size 0, since runs need not have the same number of labels."""
    verdicts: tuple[Verdict, ...]
    """Of every arm beside the first one. `helped` is what is called better, `hurt` what is called worse."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """One per verdict, in the order of the arms."""
        return tuple(map(compared_sentence, self.verdicts))

    @property
    def rows(self) -> list[dict[str, Cell]]:
        """One per verdict."""
        return rows(self.verdicts)


@dataclass(frozen=True)
class Comparison:
    """What `seg compare` found."""

    arms: tuple[ComparedArm, ...]
    organs: tuple[ComparedOrgan, ...]
    notes: tuple[str, ...]
    reports: tuple[Path, ...] = ()
    """Pages that were written, one per organ."""
