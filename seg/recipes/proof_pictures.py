"""Slices on which an arm and its baseline differ most, kept so that the page can be made again without the scans."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.config import Settings
from seg.data.prepare import shown_plane
from seg.data.volume import read_image, read_masks
from seg.evaluate.label_stack import read_stack
from seg.evaluate.score import patient_means
from seg.proof.scores import ScoreTable
from seg.recipes.pictures import load_pictures, save_pictures
from seg.recipes.prepare import Checked
from seg.recipes.proof_folder import Asked, ProofFolder
from seg.recipes.proof_scores import mean_end
from seg.recipes.trained import read_plan
from seg.recipes.written import prediction_files
from seg.records import Case
from seg.report.page import Picture
from seg.report.proved.page import ArmPicture
from seg.runs import Run

PATIENTS = 3
"""How many are shown."""


@dataclass(frozen=True)
class Shown:
    """Which two trainings are put side by side, and on whom."""

    arm: str
    baseline: str
    size: int
    seed: int
    patients: tuple[str, ...]
    """Largest difference first."""
    gains: tuple[float, ...]
    """Dice of arm minus baseline at the last evaluation, mean over the seeds; one per patient."""


def most_different(table: ScoreTable, asked: Asked) -> Shown | None:
    """The best arm beside the best baseline with the fewest labels, where a start matters most; None without a pair.

    Best is the highest mean at the end. The trainings are those of their first common seed.
    """
    for size in asked.sizes:
        arm, baseline = (
            _best(table, [arm.name for arm in asked.trained if arm.transfers == transfers], size)
            for transfers in (True, False)
        )
        common = sorted(set(table.seeds(arm, size)) & set(table.seeds(baseline, size)))
        if common:
            return _shown(table, arm, baseline, size, common)
    return None


def _best(table: ScoreTable, arms: Sequence[str], size: int) -> str:
    trained = [arm for arm in arms if table.seeds(arm, size)]
    return max(trained, key=lambda arm: mean_end(table, arm, size, table.seeds(arm, size)) or 0.0, default="")


def _shown(table: ScoreTable, arm: str, baseline: str, size: int, seeds: Sequence[int]) -> Shown:
    ours, theirs = (
        np.array([table.curve(name, size, seed)[1][-1] for seed in seeds]).mean(0) for name in (arm, baseline)
    )
    gains = [(float(gain), case) for gain, case in zip(ours - theirs, table.cases, strict=True) if math.isfinite(gain)]
    chosen = sorted(gains, key=lambda pair: (-abs(pair[0]), pair[1]))[:PATIENTS]
    return Shown(arm, baseline, size, seeds[0], tuple(case for _, case in chosen), tuple(gain for gain, _ in chosen))


def take_pictures(
    folder: ProofFolder, asked: Asked, shown: Shown, checked: Checked, settings: Settings
) -> tuple[ArmPicture, ...]:
    """Of each patient the slice on which the two predictions differ most, once per arm."""
    runs = {name: folder.run(asked.arm(name), shown.size, shown.seed) for name in (shown.baseline, shown.arm)}
    pictures: list[ArmPicture] = []
    for patient, gain in zip(shown.patients, shown.gains, strict=True):
        case = checked.cases([patient])[0]
        title = f"{100 * gain:+.1f} Dice points with {shown.arm}, {shown.size} labelled, seed {shown.seed}"
        pictures.extend(_of_case(case, title, runs, checked, settings))
    return tuple(pictures)


def _of_case(
    case: Case, title: str, runs: dict[str, Run], checked: Checked, settings: Settings
) -> Iterable[ArmPicture]:
    image = read_image(case, settings.data)
    masks = read_masks(case, image, checked.sources, checked.data_set.ignore_value, settings.data)
    labels = {
        name: read_stack({"": prediction_files(run.predictions, case)}, settings.data).arrays[""] > 0
        for name, run in runs.items()
    }
    z = _telling_slice(list(labels.values()), [int((mask == 1).sum()) for mask in masks])
    reference = (masks[z] == 1).any(0)
    height, width = reference.shape
    for number, (name, run) in enumerate(runs.items()):
        yield ArmPicture(
            arm=name, patient=case.patient, image=shown_plane(image, read_plan(run), z), reference=reference,
            # Pictures of one patient may differ in size; what was read of them was framed to the largest.
            prediction=labels[name][z, :height, :width], dice=_dice(run, case.patient), title="" if number else title,
        )  # fmt: skip


def _telling_slice(predictions: Sequence[NDArray[np.bool_]], areas: Sequence[int]) -> int:
    """Where two predictions differ in most pixels; where they never do, the slice that shows most of the organ."""
    first, second = predictions
    different = (first ^ second).sum((1, 2))
    return int(np.argmax(different if different.any() else areas))


def _dice(run: Run, patient: str) -> float | None:
    """Of the prediction that is shown, mean over the organs; None where it has no value or was not measured."""
    evaluation = run.evaluation()
    if evaluation is None:
        return None
    means = [patient_means(evaluation.cases, organ, "dice").get(patient) for organ in evaluation.summary]
    known = [value for value in means if value is not None]
    return sum(known) / len(known) if known else None


def keep_pictures(folder: ProofFolder, pictures: Sequence[ArmPicture]) -> None:
    """Save them beside the scores."""
    save_pictures(
        folder.pictures,
        [
            Picture(one.title, one.arm, one.patient, one.dice, one.image, one.reference, one.prediction)
            for one in pictures
        ],
    )


def kept_pictures(folder: ProofFolder) -> tuple[ArmPicture, ...]:
    """What `keep_pictures` saved; none where nothing was."""
    return tuple(
        ArmPicture(one.organ, one.patient, one.image, one.reference, one.prediction, one.dice, one.title)
        for one in load_pictures(folder.pictures)
    )
