"""How well a pretraining restores scans it never saw."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seg.config import Augment
from seg.data.cache import PreparedCase
from seg.data.streams import StreamSettings, make_dataset
from seg.evaluate.statistics import bootstrap_interval
from seg.progress import Progress, silent
from seg.report.restoration import RestorationOutcome, RestoredSlice
from seg.train.training import Training
from seg.train.validate import MOST_SLICES
from seg.transfer.restoration import Restoration

_BEYOND_TRAINING = 2**40
"""A step number that no training reaches, so that no held-out slice is damaged as a training slice was."""


@dataclass(frozen=True)
class _Errors:
    """Mean squared differences from the original, with intensities from 0 to 1."""

    before: float
    """Of the damaged slice."""
    after: float
    """Of the restored slice."""
    grey: float
    """Of a slice that is all of the original's mean intensity."""


def measure_restoration(
    training: Training, component: Restoration, cases: Sequence[PreparedCase], progress: Progress = silent
) -> RestorationOutcome:
    """Damage slices of `cases`, restore them with the weights that are kept, and compare with doing nothing.

    At most 32 slices of a case, drawn by the seed, as large as the training's and without augmentation. Errors are
    averaged per patient first; intervals are over patients. One slice of each patient may become a picture.
    """
    errors: dict[str, list[_Errors]] = defaultdict(list)
    pictures: dict[str, RestoredSlice] = {}
    for done, case in enumerate(cases, start=1):
        for picture, error in _of_case(training, component, case, done):
            errors[case.patient].append(error)
            pictures.setdefault(case.patient, picture)
        progress(done, len(cases), case.name)
    means = [_Errors(*np.mean([astuple(error) for error in own], axis=0).tolist()) for own in errors.values()]
    samples = training.settings.evaluate.bootstrap_samples
    return RestorationOutcome(
        slices=sum(len(own) for own in errors.values()),
        before=bootstrap_interval([mean.before**0.5 for mean in means], samples),
        after=bootstrap_interval([mean.after**0.5 for mean in means], samples),
        grey=bootstrap_interval([mean.grey**0.5 for mean in means], samples),
        removed=bootstrap_interval([1 - m.after / m.before if m.before > 0 else None for m in means], samples),
        pictures=_telling(list(pictures.values())),
    )


@torch.inference_mode()
def _of_case(
    training: Training, component: Restoration, case: PreparedCase, number: int
) -> Iterator[tuple[RestoredSlice, _Errors]]:
    plan, how = training.plan, training.inference
    shared = StreamSettings(plan, Augment(strength=0), 0.0, training.settings.train.seed, workers=0, pin_memory=False)
    slices = make_dataset("unlabelled", [case], shared)
    network = training.predictor.eval()
    for position in range(min(len(case), MOST_SLICES)):
        original = slices[position].sample.image
        damaged = component.damage(original, _BEYOND_TRAINING + number, position)
        with how.autocast():
            output = network(torch.from_numpy(damaged.image)[None].to(how.device))
        restored = component.restored(output)[0].cpu().numpy()
        others = damaged.image, restored, original.mean()
        found = _Errors(*(float(np.mean((other - original) ** 2)) for other in others))
        shown = [_grey(image[plan.neighbours]) for image in (original, damaged.image, restored)]
        done = ", ".join(damaged.done) or "undamaged"
        yield RestoredSlice("", case.patient, done, found.before, found.after, *shown), found


def _grey(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    grey: NDArray[np.uint8] = (np.clip(plane, 0.0, 1.0) * 255).round().astype(np.uint8)
    return grey


def _telling(slices: Sequence[RestoredSlice]) -> tuple[RestoredSlice, ...]:
    ranked = sorted(slices, key=lambda one: (-one.after, one.patient))
    places = {"Worst restored": 0, "Median": (len(ranked) - 1) // 2, "Best restored": len(ranked) - 1}
    # With few patients one slice is several of them, and the first word counts.
    chosen = {place: title for title, place in reversed(places.items())} if ranked else {}
    return tuple(dataclasses.replace(ranked[place], title=title) for place, title in sorted(chosen.items()))
