"""Test patients looked at while a training runs, for the curves of a proof; nothing is chosen by what they show."""

import numpy as np

from seg.config import Settings
from seg.train.training import Training
from seg.train.validate import patient_dice
from seg.transfer.heads_first import steps_of_heads

KEY = "test/dice/"
"""Begins the name of a patient's Dice in a row of the curve; the patient follows."""


def watched_steps(settings: Settings, total_steps: int) -> tuple[int, ...]:
    """Steps after which the test patients are scored, ascending; empty without `evaluate.curve`.

    The first one is right after the heads learned alone, or before the first step where they never do; the last one is
    the end.
    """
    count, first = settings.evaluate.curve, steps_of_heads(settings, total_steps)
    if count == 0:
        return ()
    return tuple(dict.fromkeys(int(step) for step in np.linspace(first, total_steps, count).round()))


def watched_row(training: Training) -> dict[str, float]:
    """Dice of every test patient, mean over organs, by the weights that would predict now.

    Patients with neither organ nor prediction are left out. Of several processes all have to call this.
    """
    found = patient_dice(training.predictor, training.watched, training.plan, training.inference, training.ranks)
    return {f"{KEY}{patient}": float(np.mean(list(dice.values()))) for patient, dice in found.items() if dice}
