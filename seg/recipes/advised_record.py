"""What is kept of a source that was looked at: its place, its numbers and their intervals, its quadrant."""

import numpy as np
from numpy.typing import NDArray

from seg.advise.advice import AdvisedSource, Measured
from seg.advise.quadrant import Quadrant, choose_quadrant
from seg.advise.rank import Standing, Vote
from seg.recipes.advised_looks import Looked, Target

_INTERVAL = (2.5, 97.5)
_DISTANCE: Vote = ("a_distance", "whole")
"""What the quadrant calls likeness."""


def advised_source(standing: Standing, one: Looked, target: Target, flattery: str) -> AdvisedSource:
    """The record of one source; `flattery` says why its numbers may be too good."""
    measured = tuple(_measured(vote, values, one) for vote, values in one.votes.items())
    return AdvisedSource(
        name=standing.source,
        word=one.candidate.word,
        organs=one.candidate.origin.organs,
        encoder=one.settings.model.encoder,
        rank=standing.rank,
        rank_interval=standing.rank_interval,
        beaten=standing.beaten,
        first=standing.first,
        measured=measured,
        scans=0 if one.seen_scans is None else len(set(one.seen_scans.patients)),
        no_scans=one.no_scans,
        quadrant=_quadrant(measured, target),
        facts=one.facts,
        notes=(f"Its numbers flatter it: {flattery}.",) if flattery else (),
    )


def _measured(vote: Vote, values: NDArray[np.float64], one: Looked) -> Measured:
    """The first value is that of all patients, the others are those of the draws, which one patient makes all alike."""
    drawn = values[1:][np.isfinite(values[1:])]
    interval = None
    if len(set(one.target.patients)) > 1 and len(drawn):
        low, high = np.percentile(drawn, _INTERVAL)
        interval = float(low), float(high)
    return Measured(*vote, float(values[0]), interval)


def _quadrant(measured: tuple[Measured, ...], target: Target) -> Quadrant:
    found = next((one for one in measured if (one.measure, one.place) == _DISTANCE), None)
    slices, settings = target.facts.labelled_slices, target.settings.advise
    if found is None:
        return choose_quadrant(slices, None, settings=settings)
    return choose_quadrant(slices, found.value, found.interval, settings)
