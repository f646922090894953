"""An organ on the way of a step-by-step transfer: what its training reads, and whether it may."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from seg.config import Settings
from seg.errors import DataError, UsageError
from seg.overrides import load_named
from seg.recipes.components import with_knobs
from seg.recipes.earlier import changed, run_name
from seg.recipes.prepare import Checked, Stage, check_and_split
from seg.recipes.train import refuse_mirrored_pairs

Outcome = TypeVar("Outcome")
START_CODES = ("missing-need", "nothing-transferred", "frozen-new-decoder")
"""Of errors by which a strategy refuses a start or data that it cannot work with."""


@dataclass(frozen=True)
class PlannedHop:
    """A hop that can be trained."""

    organ: str
    settings: Settings
    """Of its training; start and strategy are those of the target until the hop begins."""
    checked: Checked


def plan_hops(settings: Settings, target: Checked, progress: Stage) -> tuple[PlannedHop, ...]:
    """Every hop of `transfer.via` with its data checked, in order.

    No hop learns from scans that test or validate the target: where its own folder holds them, they are set aside.
    Raises DataError, which names `transfer.via_roots`, where an organ has no labels.
    """
    hops: list[PlannedHop] = []
    for organ in settings.transfer.via:
        own = hop_settings(settings, organ)
        refuse_mirrored_pairs(own)
        try:
            checked = keep_apart(check_and_split(own, progress), target)
            _refuse_labels_of_others(checked, (target, *(hop.checked for hop in hops)))
        except DataError as error:
            raise DataError(
                found=f"{error.found} (for {organ} on the way)", expected=error.expected,
                fix=f"{error.fix}; or name scans with labels of the {organ}: transfer.via_roots={{{organ}:folder}}",
                path=error.path, code=error.code,
            ) from None  # fmt: skip
        hops.append(PlannedHop(organ, own, checked))
    return tuple(hops)


def hop_settings(settings: Settings, organ: str) -> Settings:
    """The target's settings for an organ on the way to it; all labels of the organ are used.

    What describes the target's folder alone (layout, modality, saved split, folds) is not applied to another folder.
    """
    root = settings.transfer.via_roots.get(organ)
    data: dict[str, Any] = {"labelled": None}
    split: dict[str, Any] = {}
    if root is not None:
        labels = {name: values for name, values in settings.data.labels.items() if name == organ}
        data |= {"root": root, "format": "auto", "modality": "auto", "labels": labels}
        split |= {"file": "", "folds": None, "fold": 0}
    steps = settings.transfer.via_steps
    train = {} if steps is None else {"steps": steps, "epochs": None}
    name = run_name(settings.runs.name or "-".join(settings.organ), "via", organ)
    bare = changed(starting_from(settings, ()), transfer={"guard": True, "advised": ""})
    changes = changed(bare, data=data, split=split, train=train, runs={"name": name})
    return changes.model_copy(update={"organ": (organ,)})


def starting_from(settings: Settings, sources: Sequence[str]) -> Settings:
    """The settings of one training on the way: from these sources, with no way of its own."""
    nothing: dict[str, Any] = {"via": (), "via_roots": {}, "via_steps": None, "probe_steps": None}
    return changed(settings, transfer={"source": tuple(sources), **nothing})


def keep_apart(hop: Checked, target: Checked) -> Checked:
    """The hop's scans without those of the target's test and validation patients on a side that is learned from.

    Scans are the same where their voxels are. Labelled patients go to the hop's own test side, others are left out.
    """
    split, labelled = hop.split, {case.patient for case in hop.data_set.labelled}
    tests, validates = (_also_in(hop, target, side) for side in (target.split.test, target.split.validation))
    moved = (tests - set(split.test)) | (validates & {*split.train, *split.unlabelled})
    if not moved:
        return hop
    train, validation, unlabelled = (
        tuple(patient for patient in side if patient not in moved)
        for side in (split.train, split.validation, split.unlabelled)
    )
    if not train:
        raise DataError(
            found="no training patient but those that test or validate the target", expected="scans of other patients",
            fix="add some", path=hop.data_set.root, code="leak-voxels",
        )  # fmt: skip
    how = f"{split.how}; {len(moved)} patients set aside, as they test or validate the target"
    test = tuple(sorted({*split.test, *(moved & labelled)}))
    apart = replace(split, train=train, validation=validation, test=test, unlabelled=unlabelled, how=how)
    return replace(hop, split=apart)


def _also_in(hop: Checked, target: Checked, patients: Collection[str]) -> set[str]:
    """The hop's patients with scans of these patients of the target."""
    contents = {facts.voxel_sha256 for facts in target.report.facts if facts.patient in patients}
    return {facts.patient for facts in hop.report.facts if facts.voxel_sha256 in contents}


def _refuse_labels_of_others(hop: Checked, others: Sequence[Checked]) -> None:
    """Raise DataError where a hop would learn labels of another organ: a lone label without a name fits any organ."""
    (own,) = hop.sources
    for other in others:
        same = Path(other.data_set.root).resolve() == Path(hop.data_set.root).resolve()
        for source in other.sources if same else ():
            if (source.values, source.files) == (own.values, own.files):
                raise DataError(
                    found=f"labels that are taken for {source.organ} already", expected=f"labels of the {own.organ}",
                    fix=f"say which values are the {own.organ}: data.labels={{{own.organ}:[value]}}",
                    path=hop.data_set.root, code="labels-shared",
                )  # fmt: skip


def or_finetuned(settings: Settings, attempt: Callable[[Settings], Outcome]) -> tuple[Outcome, str]:
    """What the attempt gives with the settings, or with fine-tuning where their strategy cannot run from the start.

    The second value says why it could not; empty where it could. The attempt must refuse before it does anything.
    """
    try:
        return attempt(settings), ""
    except UsageError as error:
        if error.code not in START_CODES:
            raise
        return attempt(finetuned(settings)), f"{', '.join(settings.strategy)} cannot run ({error.found})"


def finetuned(settings: Settings) -> Settings:
    """The settings with the strategy `finetune`, which needs labels alone; knobs that were given for it stay."""
    names = load_named("strategy", "finetune")["components"]
    components = {name: settings.components.get(name, {}) for name in names}
    return with_knobs(settings.model_copy(update={"strategy": ("finetune",), "components": components}))
