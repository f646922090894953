"""From the quadrant to a strategy: what the textbook says, unless measurements of this project speak for another."""

from dataclasses import dataclass

from seg.advice_settings import Advise
from seg.advise.quadrant import Quadrant


@dataclass(frozen=True)
class Start:
    """What the chosen source offers, and the target beside its labels."""

    transfers: bool
    """False for a start from nothing."""
    segments: bool
    """Whether it is a model that finds organs: encoder, decoder and heads."""
    labelled: int
    """Patients of the target."""
    unlabelled: int


@dataclass(frozen=True)
class Choice:
    """A strategy and why."""

    strategy: tuple[str, ...]
    words: tuple[str, ...]
    why: str


COPY_PASTE_EVIDENCE = (
    "Measured on real scans (docs/results.md: liver to pancreas, 5 labelled and 20 unlabelled patients, 3 draws, 16 "
    "test patients): Mean Teacher with copy-paste from the source reached a Dice of 0.601, plain fine-tuning 0.564, a "
    "difference of 0.037 (95 % interval 0.013 to 0.070 for new patients with the same trainings)."
)
FINETUNE_EVIDENCE = (
    "Measured on real scans (docs/results.md: liver to pancreas, 5 labelled patients, 1 draw, 16 test patients): "
    "frozen features reached a Dice of 0.550, plain fine-tuning 0.583, a difference of -0.033 (95 % interval -0.072 to "
    "0.002). Those scans look unlike; for scans that look alike nothing has been measured."
)
_FEW = 2
"""Labelled patients up to which copy-paste was measured to be poor still."""


def choose_strategy(quadrant: Quadrant, start: Start, settings: Advise) -> Choice:
    """The quadrant's strategy, or `copy_paste` where that was measured to be better; frozen features become `finetune`.

    Source: docs/results.md, from liver to pancreas; `advise.textbook` keeps to the quadrant.
    """
    if not start.transfers:
        return Choice(("supervised",), (), "Nothing is transferred, so all the labels are learned from nothing.")
    if not settings.textbook and quadrant.small:
        if _enough_unlabelled(start, settings) and start.segments:
            return Choice(("copy_paste",), (), _copy_paste(quadrant, start, settings))
        if quadrant.strategy == ("feature_extract",):
            why = f"Fine-tuning is chosen, as a guess. {FINETUNE_EVIDENCE}"
            return Choice(("finetune",), (), f"{why} The textbook says feature_extract: {quadrant.why}")
    return Choice(quadrant.strategy, quadrant.words, quadrant.why)


def _enough_unlabelled(start: Start, settings: Advise) -> bool:
    return start.unlabelled >= max(1, settings.unlabelled_share * start.labelled)


def _copy_paste(quadrant: Quadrant, start: Start, settings: Advise) -> str:
    few = (
        f" With {_FEW} labelled patients or fewer it was poor as well: 0.333 with 2, 0.297 with 1."
        if start.labelled <= _FEW
        else ""
    )
    return (
        f"{start.unlabelled} unlabelled patients are there beside {start.labelled} labelled ones "
        f"(advise.unlabelled_share={settings.unlabelled_share:g}), so copy_paste is chosen. {COPY_PASTE_EVIDENCE}{few} "
        f"The textbook knows of no unlabelled scans and says {', '.join(quadrant.strategy)}: {quadrant.why}"
    )
