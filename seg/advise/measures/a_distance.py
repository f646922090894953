"""Proxy A-distance: how well a linear classifier tells the source's slices from the target's."""

import numpy as np

from seg.advise.evidence import Evidence, Numbers, Place, Seen, Vectors
from seg.advise.measures.measure import Judge, MeasureInfo
from seg.transfer._domain_classifier import Domain, cross_fitted_odds

_FOLDS = 5
"""In how many parts patients are drawn; 5 is the habit."""
_L2 = 1.0
"""Penalty beside the mean loss for features of unit variance: what told held-out patients apart best (`importance`)."""
_SEED = 0
"""Of the folds alone; fixed, so that the same scans give the same number."""


def a_distance(error: float) -> float:
    """2 (1 - 2 error), 0 where the domains look alike and 2 where every slice is told apart.

    A classifier whose answers are turned round is one too, so its error is 0.5 at most; a larger one is chance.

    Source: Ben-David et al. 2007, Analysis of representations for domain adaptation, section 4 (proxy A-distance).
    """
    return 2 * (1 - 2 * min(error, 0.5))


def _judge(evidence: Evidence, place: Place) -> Judge | None:
    """The classifier is fitted once, cross-fitted with patients kept together; resampling redraws whom it is judged by.

    Both domains count alike, whatever their numbers of slices.
    """
    if evidence.source is None:
        return None
    source, target = evidence.source.slices(place), evidence.target.slices(place)
    if not len(source.values) or not len(target.values):
        return None
    odds = cross_fitted_odds(
        _domain(evidence.source, source), _domain(evidence.target, target), folds=_FOLDS, l2=_L2, seed=_SEED
    )
    source_error = float((odds.log_odds > 0).mean())
    target_wrong = odds.target_log_odds <= 0

    def value(cases: Numbers) -> float:
        rows = target.rows(cases)
        return a_distance((source_error + float(target_wrong[rows].mean())) / 2) if len(rows) else float("nan")

    return value


def _domain(seen: Seen, slices: Vectors) -> Domain:
    return Domain(slices.values.astype(np.float32), [seen.patients[case] for case in slices.cases])


MEASURE = MeasureInfo(
    name="a_distance",
    title="Proxy A-distance",
    question="scans alike",
    looks_at="how well a linear classifier tells the source's slices from the target's, on patients it has not seen",
    better="lower",
    alike=0.04,
    needs=("source scans",),
    paper="Ben-David et al. 2007, Analysis of representations for domain adaptation",
    judge=_judge,
)
