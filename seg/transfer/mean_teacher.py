"""Mean Teacher: the average of the student's own past weights says what it should see on unlabelled slices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import get_total_norm

from seg.data.dataset import Batch
from seg.errors import UsageError
from seg.models.encoders import DPT_MAPS
from seg.models.network import SegNetwork
from seg.models.norms import statistics_held
from seg.transfer._consistency import Distance, consistency
from seg.transfer._rising import RisingSettings, rising_weight
from seg.transfer._together import move_statistics
from seg.transfer._views import WEAK, Strength, StrongView
from seg.transfer.component import Averaging, Component, ComponentInfo, Forward, Task, Taught
from seg.values import Fraction, NotNegative

_AXES = {"front_back": 2, "left_right": 3}
_NOISE = 0.1
"""Of another look of the teacher, in standard deviations of the slice, clipped at twice that.

Source: Yu et al. 2019 (UA-MT), released code, whose scans have a standard deviation of 1.
"""
_DROPOUT = 0.1
"""Share of the deepest map's channels that another look does without: most encoders have no dropout of their own."""
_LOOK_STEP = 0xD1B54A32D192ED03
"""Between the seeds of two looks: odd and large, so that no look meets the numbers of another step."""
_STREAM = 0x6D74
"""Sets these random numbers apart from those of other components."""


class MeanTeacherSettings(RisingSettings):
    """Knobs of `mean_teacher`."""

    loss: Distance = "dice"
    """mse, kl or dice distance between the probabilities of student and teacher.

    The mean square that most use hardly sees an organ of one pixel in a hundred; dice counts every organ alike.
    """
    half_life: Fraction = 0.02
    """Half-life of the teacher\'s memory as a share of the steps, as of all averaged weights."""
    decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The teacher's decay per step, in the place of `half_life`; it looks at the student eight times per half-life."""
    intensity: NotNegative = 1.0
    """Strength of the grey value changes of the student's view."""
    geometry: NotNegative = 1.0
    """Strength of rotation, zoom and shift of the student's view."""
    holes: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Size of the hole in the student's view."""


class MeanTeacher(Component):
    """`consistency`: the student, on a strong view of unlabelled slices, against the teacher on the slices themselves.

    The teacher is the average of the student's weights and float buffers, never trained, in evaluation mode; both
    start from the transferred model. Its map follows the geometry of the student's view, so that equal pixels are
    compared. Only target slices are used: that the source has other organs does not matter. Where no target slice is
    labelled, the slices themselves move the norm statistics (as `batch_norm` does, if listed), not the student's view.

    Sources: Tarvainen & Valpola 2017, sections 2 and 3; buffers averaged: Cai et al. 2021 (EMAN), section 3.2; strong
    against weak: Sohn et al. 2020 (FixMatch), section 2.
    """

    def __init__(self, task: Task, settings: MeanTeacherSettings) -> None:
        """Views are drawn by `train.seed` and the step; UsageError where the encoder does not read them."""
        if "feature_extract" in task.settings.components:
            raise UsageError(
                found="mean_teacher beside feature_extract, whose encoder reads each slice once, before the training",
                expected="an encoder that reads the student's views", code="strategies-clash",
                fix="use --strategy freeze,mean_teacher, or leave one of them out",
            )  # fmt: skip
        self._settings = settings
        self._train = task.settings.train
        self._flips = tuple(_AXES[name] for name in task.settings.augment.flip)
        self._strength = Strength(settings.intensity, settings.geometry, settings.holes)
        self._moves_statistics = "batch_norm" not in task.settings.components
        self._weak: Batch | None = None
        self._view: StrongView | None = None
        self._pair: tuple[nn.Module, nn.Module] | None = None
        self._used = 0.0

    def streams(self) -> tuple[str, ...]:
        """Unlabelled slices of the target."""
        return ("unlabelled",)

    def averaging(self) -> Averaging:
        """The teacher."""
        return Averaging(self._settings.half_life, self._settings.decay)

    def change(self, batches: dict[str, Batch], step: int) -> dict[str, Batch]:
        """The unlabelled slices become the student's view; what the loader gave is the teacher's."""
        weak = self._weak = batches["unlabelled"]
        seed = (self._train.seed * 1_000_003 + step) ^ (_STREAM << 40)
        view = self._view = StrongView(len(weak.images), self._strength, seed, self._flips)
        return {**batches, "unlabelled": replace(weak, images=view.images(weak.images)), WEAK: weak}

    def taught(self, forward: Forward, stream: str) -> Taught | None:
        """The teacher's opinion of the unlabelled slices, in the student's view."""
        if stream != "unlabelled" or self._weak is None or self._view is None or forward.teacher is None:
            return None
        images, view, teacher = self._weak.images, self._view, forward.teacher
        return Taught(
            probabilities=_opinion(forward, lambda rows: teacher(rows).masks, images, view),
            seen=view.seen(images),
            again=lambda number: _another_look(forward, teacher, images, view, number),
        )

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`consistency`; nothing, and no pass over unlabelled slices beside labelled ones, while its weight is 0."""
        if self._moves_statistics and forward.target == "unlabelled":
            move_statistics(forward, "unlabelled")
        self._used = rising_weight(self._settings, forward.progress, forward.total_steps)
        self._pair = None if forward.teacher is None else (forward.network, forward.teacher)
        taught = forward.taught("unlabelled") if self._used > 0 else None
        if taught is None:
            return {}
        trust = forward.trust("unlabelled")
        weights = taught.seen.float() if trust is None else taught.seen * trust
        with statistics_held(forward.network):
            masks = forward.output("unlabelled").masks
        return {"consistency": self._used * consistency(self._settings.loss, masks, taught.probabilities, weights)}

    @torch.no_grad()
    def readings(self) -> dict[str, float]:
        """The consistency's weight, and how far the student's weights are from the teacher's, as a share of these."""
        told = {"teacher/weight": self._used}
        if self._pair is not None:
            student, teacher = (list(network.parameters()) for network in self._pair)
            apart = [one - other for one, other in zip(student, teacher, strict=True)]
            told["teacher/distance"] = float(get_total_norm(apart) / get_total_norm(teacher))
        return told


@torch.no_grad()
def _opinion(forward: Forward, masks: Callable[[Tensor], Tensor], images: Tensor, view: StrongView) -> Tensor:
    """Probabilities from the mask logits of slices, in the student's view."""
    return view.warped(forward.over_rows(masks, images).float().sigmoid())


@torch.no_grad()
def _another_look(forward: Forward, teacher: SegNetwork, images: Tensor, view: StrongView, number: int) -> Tensor:
    """Random by torch's global generator, which the loop sets for every step, and the look's number."""

    def masks(rows: Tensor) -> Tensor:
        maps = teacher.encode(rows)
        # The last ones of a plain transformer are class tokens.
        deepest = (DPT_MAPS if teacher.plain_transformer else len(maps)) - 1
        maps[deepest] = F.dropout2d(maps[deepest], _DROPOUT)
        return teacher.read(maps).masks

    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        torch.manual_seed((torch.initial_seed() + _LOOK_STEP * (1 + number)) % 2**63)
        spread = images.float().std(dim=(1, 2, 3), keepdim=True)
        noise = torch.randn_like(images).clamp(-2, 2) * (_NOISE * spread).to(images)
        return _opinion(forward, masks, images + noise, view)


def _make(task: Task, settings: MeanTeacherSettings) -> MeanTeacher:
    return MeanTeacher(task, settings)


COMPONENT = ComponentInfo(
    title="Mean Teacher: the average of past weights teaches on unlabelled scans",
    level="parameter",
    moves="the start of both, student and teacher; then the teacher's opinion of unlabelled slices",
    learns="the student, from labels and from the teacher",
    needs=("labels", "unlabelled"),
    gives=("teacher",),
    paper="Tarvainen & Valpola 2017, Mean teachers are better role models",
    make=_make,
    settings=MeanTeacherSettings,
)
