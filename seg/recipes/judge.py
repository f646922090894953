"""Predict the patients that were kept back, score them on their own grid, and keep pictures for the report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seg.config import Organ, Settings
from seg.data.prepare import shown_plane
from seg.data.volume import IGNORE, CaseImage, read_image, read_masks
from seg.evaluate.largest import KeepLargestDecision, decide_keep_largest
from seg.evaluate.score import patient_means, score_masks, summarise
from seg.progress import Progress, silent
from seg.recipes.prepare import Checked
from seg.recipes.together import each_case
from seg.recipes.trained import Trained, largest_parts, predict_labels
from seg.recipes.written import write_prediction
from seg.records import Case, CaseScore, Evaluation
from seg.report.page import Picture


@dataclass(frozen=True)
class Judged:
    """How the kept-back patients came out."""

    evaluation: Evaluation | None
    """None where no patient was kept back."""
    pictures: tuple[Picture, ...]


def judge(
    trained: Trained,
    checked: Checked,
    cases: Sequence[Case],
    settings: Settings,
    output: Path,
    progress: Progress = silent,
) -> Judged:
    """Predict `cases` into `output` and score them; pictures of the worst, median and best patient per organ.

    Of several processes each predicts some of the cases, and all get all scores and pictures.
    """
    if not cases:
        return Judged(None, ())
    wished = settings.evaluate.metrics
    ranked = _with_metrics(settings, tuple(dict.fromkeys((*wished, "dice"))))

    def judged(case: Case) -> tuple[list[CaseScore], list[Picture]]:
        image = read_image(case, settings.data)
        masks = read_masks(case, image, checked.sources, checked.data_set.ignore_value, settings.data)
        labels = predict_labels(trained, image)
        write_prediction(output, case, image, labels)
        found = _score(case, image, labels, masks, trained, ranked)
        return found, [_picture(case, image, labels, masks, trained, organ, score) for organ, score in enumerate(found)]

    every = each_case("judging", cases, judged, progress)
    scores = [score for found, _ in every for score in found]
    pictures = [picture for _, shown in every for picture in shown]
    told = [replace(score, values={name: score.values[name] for name in wished}) for score in scores]
    evaluation = summarise(
        told, wished, settings.evaluate.bootstrap_samples, trained.plan.unit, tolerances(trained.organs, settings)
    )
    return Judged(evaluation, _telling(pictures, scores))


def decide_largest(
    trained: Trained, checked: Checked, cases: Sequence[Case], settings: Settings, progress: Progress = silent
) -> dict[str, KeepLargestDecision]:
    """Per organ whether keeping its largest parts helps the validation patients."""
    dice_only = _with_metrics(settings, ("dice",))

    def compared(case: Case) -> tuple[list[CaseScore], list[CaseScore]]:
        image = read_image(case, settings.data)
        masks = read_masks(case, image, checked.sources, checked.data_set.ignore_value, settings.data)
        plain = predict_labels(replace(trained, keep_largest=dict.fromkeys(trained.plan.organs, False)), image)
        kept = largest_parts([plane.copy() for plane in plain], trained.organs, trained.plan, image.contiguous)
        return (
            _score(case, image, plain, masks, trained, dice_only),
            _score(case, image, kept, masks, trained, dice_only),
        )

    every = each_case("deciding on small parts", cases, compared, progress)
    without, with_largest = ([score for both in every for score in both[which]] for which in (0, 1))
    return {
        organ: decide_keep_largest(patient_means(without, organ, "dice"), patient_means(with_largest, organ, "dice"))
        for organ in trained.plan.organs
    }


def tolerances(organs: Sequence[Organ], settings: Settings) -> dict[str, float]:
    """Tolerance of the surface Dice per organ."""
    return {organ.name: settings.evaluate.nsd_tolerance_mm or organ.nsd_tolerance_mm for organ in organs}


def _with_metrics(settings: Settings, names: tuple[str, ...]) -> Settings:
    return settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update={"metrics": names})})


def _score(
    case: Case, image: CaseImage, labels: Sequence[NDArray[np.uint16]], masks: Sequence[NDArray[np.uint8]],
    trained: Trained, settings: Settings,
) -> list[CaseScore]:  # fmt: skip
    prediction, reference = _stacked(labels), np.stack([_framed(mask, labels) for mask in masks])
    tolerance = tolerances(trained.organs, settings)
    return [
        score_masks(
            case.name, case.patient, organ.name, prediction == value, reference[:, number] == 1, image.spacing_mm,
            settings.evaluate.metrics, tolerance[organ.name], valid=reference[:, number] != IGNORE,
            contiguous=image.contiguous,
        )
        for number, (organ, value) in enumerate(zip(trained.organs, trained.plan.organ_values, strict=True))
    ]  # fmt: skip


def _stacked(planes: Sequence[NDArray[np.uint16]]) -> NDArray[np.uint16]:
    return np.stack([_framed(plane[None], planes)[0] for plane in planes])


def _framed(plane: NDArray[np.generic], planes: Sequence[NDArray[np.uint16]]) -> NDArray[np.generic]:
    """(n, y, x) grown with zeros to the largest slice of the case: pictures of one patient may differ in size."""
    height, width = (max(one.shape[axis] for one in planes) for axis in (0, 1))
    return np.pad(plane, ((0, 0), (0, height - plane.shape[1]), (0, width - plane.shape[2])))


def _picture(
    case: Case, image: CaseImage, labels: Sequence[NDArray[np.uint16]], masks: Sequence[NDArray[np.uint8]],
    trained: Trained, organ: int, score: CaseScore,
) -> Picture:  # fmt: skip
    areas = [int((mask[organ] == 1).sum()) for mask in masks]
    z = int(np.argmax(areas))
    value = trained.plan.organ_values[organ]
    return Picture(
        title="", organ=score.organ, patient=case.patient, dice=score.values["dice"],
        image=shown_plane(image, trained.plan, z), reference=masks[z][organ] == 1, prediction=labels[z] == value,
    )  # fmt: skip


def _telling(pictures: Sequence[Picture], scores: Sequence[CaseScore]) -> tuple[Picture, ...]:
    """Of each organ the pictures of the worst, the median and the best patient."""
    told: list[Picture] = []
    for organ in dict.fromkeys(score.organ for score in scores):
        means = patient_means(scores, organ, "dice")
        own = [p for p in pictures if p.organ == organ and means[p.patient] is not None]
        ranked = sorted(own, key=lambda picture: means[picture.patient] or 0.0)
        places = {"Worst patient": 0, "Median patient": (len(ranked) - 1) // 2, "Best patient": len(ranked) - 1}
        chosen = {place: title for title, place in reversed(places.items())} if ranked else {}
        told.extend(
            replace(ranked[place], title=title, dice=means[ranked[place].patient])
            for place, title in sorted(chosen.items())
        )
    return tuple(told)
