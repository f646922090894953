"""How the weight of a term rises over the first steps."""

import math

_STEEPNESS = 5.0
"""Source: Laine and Aila 2017 (Temporal ensembling), section 2.1: exp(-5 (1 - T)^2)."""


def ramp_up(progress: float, share: float) -> float:
    """exp(-5 (1 - T)^2), T = progress / share up to 1: from 0.007 at the start to 1 after `share` of the steps.

    A share of 0 is 1 from the start. It counts in shares of the steps, since the literature's absolute lengths (30,000
    steps and more) would leave a term of a short training switched off until the end.
    Source: Laine and Aila 2017, section 2.1; Tarvainen and Valpola 2017 (Mean Teacher), section 3.
    """
    risen = 1.0 if share <= 0 else min(1.0, progress / share)
    return math.exp(-_STEEPNESS * (1 - risen) ** 2)
