from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from seg.evaluate.metrics.masks import DistanceUnit, MaskPair, Metric
from seg.evaluate.statistics import bootstrap_interval
from seg.records import CaseScore, Evaluation, Interval
from seg.registry import METRICS
from seg.types import MaskVolume, SpacingMm

BOTH_EMPTY = "both empty"
REFERENCE_EMPTY = "reference empty"
PREDICTION_EMPTY = "prediction empty"
PREDICTION_MISSING = "prediction missing"


def metrics_by_name(names: Sequence[str]) -> dict[str, Metric]:
    """The metrics of those names, in that order; an unknown name raises UsageError with the nearest known one."""
    return {name: METRICS.load(name).METRIC for name in names}


def score_masks(
    case: str,
    patient: str,
    organ: str,
    prediction: MaskVolume,
    reference: MaskVolume,
    spacing_mm: SpacingMm | None,
    metrics: Sequence[str],
    tolerance_mm: float,
    valid: MaskVolume | None = None,
    *,
    contiguous: bool = True,
) -> CaseScore:
    """Every metric of one organ in one case; masks (z, y, x).

    Args:
        case: Name of the case.
        patient: Name of the patient, the unit of the summary.
        organ: Name of the organ.
        prediction: The predicted mask.
        reference: The true mask, same shape.
        spacing_mm: None where unknown; distances and tolerance are then in pixels.
        metrics: Names (`seg list metrics`).
        tolerance_mm: Of the surface Dice.
        valid: False where neither mask counts (ignore label); None counts everywhere.
        contiguous: False for lone slices stacked along z; surface distances then stay within a slice.

    Raises:
        DataError: where the two shapes differ.
        UsageError: for an unknown metric.
    """
    if valid is not None and valid.shape == prediction.shape == reference.shape:
        prediction, reference = prediction & valid, reference & valid
    pair = MaskPair(prediction, reference, spacing_mm, tolerance_mm, contiguous)
    return _score(case, patient, organ, pair, metrics)


def missing_score(
    case: str,
    patient: str,
    organ: str,
    reference: MaskVolume,
    spacing_mm: SpacingMm | None,
    metrics: Sequence[str],
    tolerance_mm: float,
    valid: MaskVolume | None = None,
    *,
    contiguous: bool = True,
) -> CaseScore:
    """The score of a case without a prediction: every metric at its worst, never undefined, whatever the reference."""
    if valid is not None:
        reference = reference & valid
    pair = MaskPair(np.zeros_like(reference), reference, spacing_mm, tolerance_mm, contiguous, missing=True)
    return _score(case, patient, organ, pair, metrics)


def _score(case: str, patient: str, organ: str, pair: MaskPair, metrics: Sequence[str]) -> CaseScore:
    values = {name: metric.value(pair) for name, metric in metrics_by_name(metrics).items()}
    return CaseScore(case=case, patient=patient, organ=organ, values=values, note=_note(pair))


def _note(pair: MaskPair) -> str:
    if pair.missing:
        return PREDICTION_MISSING
    if pair.both_empty:
        return BOTH_EMPTY
    if not pair.reference_voxels:
        return REFERENCE_EMPTY
    return "" if pair.prediction_voxels else PREDICTION_EMPTY


def patient_means(scores: Iterable[CaseScore], organ: str, metric: str) -> dict[str, float | None]:
    """Per patient the mean over the defined values of the patient's cases; None where none is defined."""
    values: dict[str, list[float]] = {}
    for score in scores:
        if score.organ == organ and metric in score.values:
            own, value = values.setdefault(score.patient, []), score.values[metric]
            own.extend([] if value is None else [value])
    return {patient: sum(own) / len(own) if own else None for patient, own in values.items()}


def summarise(
    scores: Sequence[CaseScore],
    metrics: Sequence[str],
    samples: int,
    distance_unit: DistanceUnit,
    tolerance_mm: Mapping[str, float],
    seed: int = 0,
) -> Evaluation:
    """Means over patients with 95 % intervals, what every metric means here, and how often masks were empty.

    Args:
        scores: Of any number of organs and cases; the cases of one patient are averaged first.
        metrics: Names, in the order in which they are reported.
        samples: Resamplings behind an interval.
        distance_unit: `px` where the spacing is unknown.
        tolerance_mm: Organ to tolerance of the surface Dice, for its definition.
        seed: Of the resampling.
    """
    organs = tuple(dict.fromkeys(score.organ for score in scores))
    tolerance = _tolerance_words(tolerance_mm, distance_unit)
    return Evaluation(
        cases=tuple(scores),
        summary={organ: _intervals(scores, organ, metrics, samples, seed) for organ in organs},
        definitions={
            name: metric.define(distance_unit, tolerance) for name, metric in metrics_by_name(metrics).items()
        },
        distance_unit=distance_unit,
        counts={organ: _count_notes(scores, organ) for organ in organs},
    )


def _intervals(
    scores: Sequence[CaseScore], organ: str, metrics: Sequence[str], samples: int, seed: int
) -> dict[str, Interval]:
    return {
        name: bootstrap_interval(list(patient_means(scores, organ, name).values()), samples, seed) for name in metrics
    }


def _count_notes(scores: Sequence[CaseScore], organ: str) -> dict[str, int]:
    return dict(Counter(score.note for score in scores if score.organ == organ and score.note))


def _tolerance_words(tolerance_mm: Mapping[str, float], unit: DistanceUnit) -> str:
    """`2 mm` where all organs share it, else `3 mm (liver), 2 mm (kidneys)`."""
    words = {organ: f"{value:g} {unit}" for organ, value in tolerance_mm.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{word} ({organ})" for organ, word in words.items())
