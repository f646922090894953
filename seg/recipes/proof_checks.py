"""What can be wrong with a proof, found before its first training."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seg.config import Settings
from seg.data.splits import draw_split, load_split, refuse_leaks
from seg.errors import CheckpointError, DataError, SegError, UsageError
from seg.progress import Progress, silent
from seg.proof.sign_flip import smallest_p
from seg.proof.verdict import LEVEL
from seg.recipes.arms import IMAGENET, Arm
from seg.recipes.components import fitted_to_labels, refuse_start_without_needs
from seg.recipes.earlier import changed
from seg.recipes.opening import differences, is_unbegun
from seg.recipes.prepare import Checked, Stage, check_and_split
from seg.recipes.proof_folder import state_of
from seg.recipes.source import find_origins
from seg.recipes.source_place import refuse_other_source
from seg.recipes.start import refuse_bad_start
from seg.recipes.train import make_ready, refuse_lone_pixel, refuse_mirrored_pairs
from seg.report.numbers import count_text
from seg.runs import Run

_SHOWN = 8
_MEASURES = 3
"""Start, slope and end are judged together, so that the smallest p counts threefold (Holm)."""


@dataclass(frozen=True)
class Planned:
    """One training of a proof."""

    arm: Arm
    size: int
    seed: int
    settings: Settings

    @property
    def run(self) -> Run:
        """Where it is, or will be."""
        return Run(Path(self.settings.runs.folder) / self.settings.runs.name)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return state_of(self.run) == "finished"


def too_few_to_tell(checked: Checked) -> str:
    """A warning where so few patients are tested that not even one and the same difference in all would be evidence."""
    patients = len(checked.split.test)
    enough = next(count for count in range(1, 100) if smallest_p(count) * _MEASURES < LEVEL)
    if patients >= enough:
        return ""
    return (
        f"Warning: {count_text(patients, 'test patient')} cannot show whether anything helped, however large the "
        f"difference; {enough} can. The verdict will be `no evidence`: raise split.test_fraction, or label more."
    )


def refuse_bad_plan(planned: Sequence[Planned], stages: Stage) -> Checked:
    """Raise a SegError where a training of the plan could not run or not be compared; else the target's data.

    Every arm that has something left to train is put together once, network and components, as it would be trained.
    """
    first = planned[0].settings
    for refuse in (refuse_mirrored_pairs, refuse_lone_pixel):
        refuse(first)
    for one in _each_arm(planned):
        with about(one.arm):
            _refuse_start(one.arm, one.settings)
    checked = check_and_split(all_labelled(first), stages)
    refuse_few_patients(checked, planned)
    for one in planned:
        with about(one.arm):
            fitted_to_labels(one.settings, find_origins(one.settings), drawn(one, checked).split)
        refuse_taken_training(one, checked)
    for number, one in enumerate(_each_arm([one for one in planned if not one.finished])):
        with about(one.arm):
            _put_together(one, checked, _unsaid if number else stages)
    return checked


def _each_arm(planned: Sequence[Planned]) -> Iterator[Planned]:
    """The first training of every arm."""
    yield from {one.arm.run: one for one in reversed(planned)}.values()


def _unsaid(stage: str) -> Progress:
    """For what another arm has said already."""
    return silent


def all_labelled(settings: Settings) -> Settings:
    """The settings with every labelled patient, as no training of a proof has them."""
    return changed(settings, data={"labelled": None})


@contextmanager
def about(arm: Arm) -> Iterator[None]:
    """Make an error of the block say which arm it is about."""
    try:
        yield
    except SegError as error:
        kind = type(error)
        raise kind(
            found=f"{error.found} (arm {arm.name})", expected=error.expected,
            fix=f"{error.fix}; or leave {arm.name} out of --arms", path=error.path, code=error.code,
        ) from None  # fmt: skip


def _refuse_start(arm: Arm, settings: Settings) -> None:
    origins = find_origins(settings)
    try:
        refuse_bad_start(settings, origins)
    except CheckpointError as error:
        if arm.source != IMAGENET or error.code != "weights-offline":
            raise
        raise CheckpointError(
            found=error.found, expected=error.expected,
            fix="connect once; or name a file of such weights as the arm: --arms FILE.safetensors,...; or take a "
            "network whose weights are here: model.encoder=NAME with a source of that network",
            code=error.code,
        ) from None  # fmt: skip
    refuse_start_without_needs(settings, origins)


def refuse_few_patients(checked: Checked, planned: Sequence[Planned]) -> None:
    """Raise where nobody is tested, or where a size asks for more labelled patients than train."""
    split, largest = checked.split, max(one.size for one in planned)
    if not split.test:
        raise DataError(
            found=f"no test patient ({split.how})", expected="patients that were kept back, to judge the arms on",
            fix="raise split.test_fraction, or add labelled patients", path=checked.data_set.root, code="no-test",
        )  # fmt: skip
    if largest > len(split.train):
        raise UsageError(
            found=f"--sizes with {largest}", expected=f"at most the {len(split.train)} labelled training patients",
            fix="lower it, or add labelled patients", path=checked.data_set.root, code="too-few-labelled",
        )  # fmt: skip


def drawn(one: Planned, checked: Checked) -> Checked:
    """The data with the split of one training."""
    split = draw_split(checked.data_set, one.settings.split, one.settings.data)
    hashes: dict[str, set[str]] = {}
    for facts in checked.report.facts:
        hashes.setdefault(facts.patient, set()).add(facts.voxel_sha256)
    refuse_leaks(split, hashes)
    return replace(checked, split=split)


def _put_together(one: Planned, checked: Checked, stages: Stage) -> None:
    """What a training does before its first step; nothing of it stays but prepared scans in the cache."""
    if one.settings.train.threads is not None:
        torch.set_num_threads(one.settings.train.threads)
    make_ready(one.settings, find_origins(one.settings), drawn(one, checked), None, stages)


def refuse_taken_training(one: Planned, checked: Checked) -> None:
    """Raise where a run of the training's name was made of something else: settings, source or scans."""
    run = one.run
    if not run.folder.exists() or is_unbegun(run):
        return
    state = state_of(run)
    if not state:
        raise UsageError(
            found="something of that name, which is no run", expected="a free name, or a run of this proof",
            fix="remove it, or begin another proof: --name NAME", path=run.folder, code="run-exists",
        )  # fmt: skip
    if other := differences(run, one.settings):
        shown = "; ".join(f"{name}={was}, now {now}" for name, (was, now) in list(other.items())[:_SHOWN])
        raise UsageError(
            found=f"a training of that name with other settings ({shown})", expected="the settings it was begun with",
            fix="give those settings, or begin another proof: --name NAME", path=run.folder, code="run-exists",
        )  # fmt: skip
    refuse_other_source(run, find_origins(one.settings))
    _refuse_other_scans(run, checked)
    _refuse_other_patients(run, drawn(one, checked))


def _refuse_other_patients(run: Run, checked: Checked) -> None:
    """Raise DataError where the patients are divided otherwise by now, such as by new ones in the folder."""
    saved = run.folder / "split.json"
    if saved.exists() and load_split(saved).sides() != checked.split.sides():
        raise DataError(
            found=f"other patients to train with or to test than the training {run.name} had",
            expected="the same patients for all trainings of a proof",
            fix="remove what was added since, or begin another proof: --name NAME", path=checked.data_set.root,
            code="resume-data",
        )  # fmt: skip


def _refuse_other_scans(run: Run, checked: Checked) -> None:
    then: Mapping[str, str] = run.manifest().data.get("case_sha256", {})
    now = {facts.case: facts.voxel_sha256 for facts in checked.report.facts}
    changed = sorted(case for case, content in then.items() if now.get(case) != content)
    if changed:
        raise DataError(
            found=f"{len(changed)} scans that are not what the training {run.name} saw ({', '.join(changed[:5])})",
            expected="the same scans for all trainings of a proof",
            fix="restore them, or begin another proof: --name NAME", path=checked.data_set.root, code="resume-data",
        )  # fmt: skip
