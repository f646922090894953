"""A term that is switched on after a warm-up and then rises, in shares of the run."""

from seg.config import Section
from seg.transfer._ramp import ramp_up
from seg.values import Fraction, NotNegative, Positive


class RisingSettings(Section):
    """When a term that a teacher is needed for begins, and how loud it becomes."""

    weight: NotNegative = 1.0
    """Weight of the term at the ramp's end.

    1 counts what is taught like a label. On 41 real patients 5 took away what 1 gave (docs/results.md).
    """
    warm_up: Fraction = 0.1
    """Share of the steps that only learn from labels, before the teacher knows anything.

    Not tuned; long enough for the learning rate's own warm-up, a twentieth.
    """
    ramp: Fraction = 0.3
    """Share of the steps, after the warm-up, over which the weight rises.

    Not tuned; most publications take the whole run, and then hear the teacher only at its end.
    """
    ramp_steps: Positive | None = None
    """The ramp in steps, in the place of `ramp`."""


def rising_weight(settings: RisingSettings, progress: float, total_steps: int) -> float:
    """The term's weight when that share of so many steps is done; 0 during the warm-up."""
    if progress < settings.warm_up:
        return 0.0
    share = settings.ramp if settings.ramp_steps is None else settings.ramp_steps / total_steps
    return settings.weight * ramp_up(progress - settings.warm_up, share)
