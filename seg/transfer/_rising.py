"""A term that is switched on after a warm-up and then rises, in shares of the run."""

from seg.config import Section
from seg.transfer._ramp import ramp_up
from seg.values import Fraction, NotNegative, Positive


class RisingSettings(Section):
    """When a term that a teacher is needed for begins, and how loud it becomes."""

    weight: NotNegative = 1.0
    """Weight of the term at the ramp's end."""
    warm_up: Fraction = 0.1
    """Share of the steps that only learn from labels, before the teacher knows anything."""
    ramp: Fraction = 0.3
    """Share of the steps, after the warm-up, over which the weight rises."""
    ramp_steps: Positive | None = None
    """The ramp in steps, in the place of `ramp`."""


def rising_weight(settings: RisingSettings, progress: float, step: int) -> float:
    """The term's weight at that step, when that share of the steps is done; 0 during the warm-up."""
    if progress < settings.warm_up:
        return 0.0
    share = settings.ramp
    if settings.ramp_steps is not None:
        # step / progress are the steps of the run; before the first one it does not matter how long the ramp is.
        share = settings.ramp_steps * progress / step if step else 1.0
    return settings.weight * ramp_up(progress - settings.warm_up, share)
