"""How often chance alone would favour one arm as clearly, if for every case either arm could have been the other."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from seg.proof.crossed import Floats

EXACT_UP_TO = 14
"""Cases up to which every pattern of signs is tried (8,192 of them, because a pattern and its mirror image are one)."""
SAMPLED = 9_999
"""Patterns beyond that, so that p = 0.0001 is the smallest."""
_ROUNDING = 1e-9


def sign_flip_p(differences: ArrayLike) -> Floats:
    """Two-sided p of the mean over the last axis, one value per case.

    Exact for up to EXACT_UP_TO cases, from SAMPLED random patterns beyond. The same values give the same p in whatever
    order and with whichever arm first. It judges the models that were trained: that other seeds might differ from these
    is not in it.

    Source: Fisher, The Design of Experiments (1935), section 21; the added one of the sampled form: Phipson and Smyth,
    Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
    """
    values = np.asarray(differences, dtype=np.float64)
    cases = values.shape[-1]
    # Signs are what is drawn, so only sizes matter; sorted, the drawn patterns meet the same values in any order.
    sizes = np.sort(np.abs(values), axis=-1)
    observed = np.abs(values.sum(-1))
    tolerance = _ROUNDING * sizes.sum(-1)
    as_clear = np.abs(sizes @ _patterns(cases)) >= (observed - tolerance)[..., None]
    if cases <= EXACT_UP_TO:
        return np.asarray(as_clear.mean(-1), dtype=np.float64)
    return np.asarray((1 + as_clear.sum(-1)) / (1 + SAMPLED), dtype=np.float64)


def smallest_p(cases: int) -> float:
    """What cases that all agree get."""
    return 2.0 ** (1 - cases) if cases <= EXACT_UP_TO else 1 / (1 + SAMPLED)


@cache
def _patterns(cases: int) -> Floats:
    """(cases, patterns) of signs: all that begin with plus, or a fixed random sample."""
    if cases <= EXACT_UP_TO:
        bits = np.arange(2 ** (cases - 1))[None] >> np.arange(cases)[:, None] & 1
        return np.where(bits == 1, -1.0, 1.0)
    signs: Floats = np.random.default_rng(cases).choice([-1.0, 1.0], size=(cases, SAMPLED))
    return signs
