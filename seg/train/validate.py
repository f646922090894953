"""Per-patient Dice of the validation patients, on the network's grid, while training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from seg.data.cache import PreparedCase
from seg.data.plan import Plan
from seg.data.prepare import stack_neighbours
from seg.evaluate.predict import Inference, predict_slices
from seg.train.ranks import Ranks

MOST_SLICES = 32
"""Of a longer volume so many evenly spaced slices are looked at; the final evaluation sees all of them."""


def validation_dice(
    network: nn.Module, cases: Sequence[PreparedCase], plan: Plan, how: Inference, ranks: Ranks | None = None
) -> dict[str, float]:
    """Mean over patients of the Dice per organ, and `mean` over organs; an organ nobody has is left out.

    Patients and several processes as for `patient_dice`.
    """
    found = patient_dice(network, cases, plan, how, ranks).values()
    dice = {}
    for organ in plan.organs:
        known = [own[organ] for own in found if organ in own]
        if known:
            dice[organ] = float(np.mean(known))
    return {**dice, "mean": float(np.mean(list(dice.values()))) if dice else 0.0}


def patient_dice(
    network: nn.Module, cases: Sequence[PreparedCase], plan: Plan, how: Inference, ranks: Ranks | None = None
) -> dict[str, dict[str, float]]:
    """Patient to organ to Dice on the network's grid; an organ that is neither there nor predicted is left out.

    A patient without the organ counts 0 where something is predicted. Slices of one patient are pooled before the Dice
    is taken; patients count the same whatever their size. Of several processes each looks at some of the cases, and
    all get the result.
    """
    found = (ranks or Ranks()).each("validation", cases, lambda c: c.name, lambda c: _overlap(network, c, plan, how))
    overlap: dict[str, NDArray[np.float64]] = {}
    for case, counts in zip(cases, found, strict=True):
        overlap.setdefault(case.patient, np.zeros((2, len(plan.organs))))
        overlap[case.patient] += counts
    return {
        patient: {
            organ: float(2 * both[number] / size[number])
            for number, organ in enumerate(plan.organs)
            if size[number] > 0
        }
        for patient, (both, size) in overlap.items()
    }


def _overlap(network: nn.Module, case: PreparedCase, plan: Plan, how: Inference) -> NDArray[np.float64]:
    """[intersection, size of prediction + size of reference] per organ."""
    chosen = np.unique(np.linspace(0, len(case) - 1, min(len(case), MOST_SLICES)).round().astype(int))
    inputs = (stack_neighbours(case.image, int(z), plan.neighbours, case.contiguous) for z in chosen)
    counts = np.zeros((2, len(plan.organs)))
    for z, probabilities in zip(chosen, predict_slices(network, inputs, how), strict=True):
        masks = np.asarray(case.masks[z])
        reference, valid = masks == 1, masks <= 1
        prediction = (probabilities >= 0.5) & valid
        counts[0] += (prediction & reference).sum(axis=(1, 2))
        counts[1] += prediction.sum(axis=(1, 2)) + reference.sum(axis=(1, 2))
    return counts
