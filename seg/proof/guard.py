"""Whether a transfer may go on: short trainings with and without it on the same patients become one word."""

import numpy as np

from seg.proof.crossed import Floats, crossed
from seg.proof.guarded import BEGUN, Guarded, Probed, Said
from seg.proof.pairs import Pair
from seg.proof.sign_flip import smallest_p
from seg.proof.verdict import LEVEL, MARGIN, verdict_on


def judge(transfer: Probed, fallback: Probed, judged: str, margin: float = MARGIN) -> Guarded:
    """The verdict on paired Dice of one training of each; of other trainings it says nothing.

    From six patients on it is that of a proof with a single evaluation. Fewer cannot agree clearly enough for its sign
    flips; there the t interval of the paired differences decides alone, and for two patients it is wide: what is at
    stake is which of two trainings follows, not a claim about a method. One patient says nothing about others, and a
    fallback that has not yet found the organ says nothing about where it would come.
    """
    names = sorted({*transfer.patients} & {*fallback.patients})
    if not names:
        return Guarded(transfer, fallback, "cannot say", judged, margin)
    ours, theirs = (np.array([[[arm.patients[name] for name in names]]]) for arm in (transfer, fallback))
    word, estimate, low, high = _word(ours, theirs, margin)
    if theirs.mean() < BEGUN and (word != "hurt" or ours.mean() < BEGUN):
        word = "cannot say"
    return Guarded(transfer, fallback, word, judged, margin, estimate, low, high)


def _word(ours: Floats, theirs: Floats, margin: float) -> tuple[Said, float, float | None, float | None]:
    """Word, difference and interval for Dice (1, 1, patients)."""
    count = ours.shape[-1]
    if count < 2:
        return "cannot say", float((ours - theirs).mean()), None, None
    if smallest_p(count) < LEVEL:
        pair = Pair(ours, theirs, np.zeros(1))
        (row,) = verdict_on(pair, "transfer", "fallback", 0, margin).measures
        return row.verdict, float((ours - theirs).mean()), row.low, row.high
    spread = crossed((ours - theirs)[:, 0])
    mean, half = float(spread.mean), float(spread.half_width())
    clear = abs(mean) > half and abs(mean) >= margin
    return ("no evidence" if not clear else "helped" if mean > 0 else "hurt"), mean, mean - half, mean + half
