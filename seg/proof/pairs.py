"""Two arms side by side: the same cases, seeds and evaluations."""

from dataclasses import dataclass

import numpy as np

from seg.errors import DataError
from seg.proof.crossed import Floats
from seg.proof.scores import ScoreTable


@dataclass(frozen=True)
class Pair:
    """An arm and its baseline as arrays (seeds, evaluations, cases) without gaps."""

    arm: Floats
    baseline: Floats
    steps: Floats
    """Of the evaluations, ascending."""
    undefined: int = 0
    """Cases left out because Dice has no value there in some evaluation."""
    unpaired: tuple[int, ...] = ()
    """Seeds left out because only one of the two arms has them."""

    def swapped(self) -> "Pair":
        """The same with the roles exchanged."""
        return Pair(self.baseline, self.arm, self.steps, self.undefined, self.unpaired)


def paired(table: ScoreTable, arm: str, baseline: str, size: int) -> Pair:
    """The trainings of two arms that share a seed, at one size.

    Raises:
        DataError: no seed or no case is common, or the trainings were evaluated at different steps.
    """
    ours, theirs = set(table.seeds(arm, size)), set(table.seeds(baseline, size))
    common = sorted(ours & theirs)
    if not common:
        raise DataError(
            found=f"no seed that both {arm} and {baseline} were trained with at size {size}",
            expected="trainings in pairs with the same seed", fix="train both arms with the same seeds",
            code="nothing-paired",
        )  # fmt: skip
    curves = [[table.curve(name, size, seed) for seed in common] for name in (arm, baseline)]
    _require_same_steps([steps for found in curves for steps, _ in found], f"{arm} and {baseline} at size {size}")
    dice = np.array([[values for _, values in found] for found in curves])
    defined = np.isfinite(dice).all((0, 1, 2))
    if not defined.any():
        raise DataError(
            found=f"no case with a Dice in every evaluation of {arm} and {baseline}",
            expected="cases whose reference is not empty", fix="test on cases that show the organ",
            code="nothing-paired",
        )  # fmt: skip
    steps = np.array(curves[0][0][0], dtype=np.float64)
    complete = dice[..., defined]
    return Pair(complete[0], complete[1], steps, int((~defined).sum()), tuple(sorted(ours ^ theirs)))


def _require_same_steps(steps: list[tuple[int, ...]], who: str) -> None:
    different = sorted(set(steps), key=len)
    if len(different) > 1:
        odd = sorted(set(different[0]) ^ set(different[-1]))
        raise DataError(
            found=f"evaluations of {who} at different steps, such as {odd[0]}", expected="the same steps in all",
            fix="finish the trainings that stopped early, or train both with the same steps", code="unequal-steps",
        )  # fmt: skip
