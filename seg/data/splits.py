"""Which patients train, choose and judge: drawn from a seed, saved, and refused where the sides touch."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg.atomic import write_text
from seg.config import Data, Split
from seg.data.dataset_json import entry, read_declaration
from seg.errors import DataError, UsageError
from seg.records import DataSet

_SIDES = ("train", "validation", "test", "unlabelled")


@dataclass(frozen=True)
class SplitPlan:
    """Patients' names, each on one side only; all cases of a patient go with it."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    """Choose the best step; empty where there are too few patients."""
    test: tuple[str, ...]
    """Untouched until the end; empty where there are too few patients."""
    unlabelled: tuple[str, ...]
    """Their labels, if they have any, are not looked at."""
    seed: int
    how: str
    """In words, for the report."""

    def sides(self) -> dict[str, tuple[str, ...]]:
        """The four groups of patients by their names."""
        return {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
            "unlabelled": self.unlabelled,
        }


def draw_split(data_set: DataSet, settings: Split, data: Data, *, labels_elsewhere: bool = False) -> SplitPlan:
    """The split of a data set: from `split.file` where one is named, else by folds or fractions from `split.seed`.

    Depends on the seed and the patients' names only, not on the order of files. From three labelled patients on, each
    side whose fraction is not 0 has at least one; of two one is tested and none validates; a lone one trains only.
    With `labels_elsewhere` (a source's scans teach the organ) no patient has to be labelled: `data.labelled=0` leaves
    the test patients as they are and all others without labels.

    Raises:
        DataError: no labelled patient to train on, or a saved split that does not fit the data.
        UsageError: folds or a `data.labelled` that cannot be met.
    """
    labelled, unlabelled = patients(data_set)
    if not labelled and not labels_elsewhere:
        raise DataError(
            found=f"no labels for any of {len(unlabelled)} patients", expected="at least one labelled patient",
            fix="add labels, or correct data.root", path=data_set.root, code="no-labels",
        )  # fmt: skip
    if settings.file:
        plan = _fit(load_split(Path(settings.file)), labelled, unlabelled, settings.file)
    elif labelled:
        plan = _draw(labelled, unlabelled, settings)
    else:
        plan = SplitPlan(
            (), (), (), unlabelled, settings.seed, "no patient is labelled: none validates, none is tested"
        )
    plan = plan if data.labelled is None else _limit(plan, data.labelled, data.labelled_seed)
    if not plan.train and not labels_elsewhere:
        raise _no_training_patient(plan, data, data_set)
    return plan


def patients(data_set: DataSet) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sorted names of patients with at least one labelled case, and of those with none."""
    labelled = {case.patient for case in data_set.labelled}
    return tuple(sorted(labelled)), tuple(sorted({case.patient for case in data_set.cases} - labelled))


def _shuffled(names: Iterable[str], seed: int, purpose: str) -> list[str]:
    """In an order that the seed fixes for each name by itself: more patients leave the others' order as it was."""

    def key(name: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{purpose}:{seed}:{name}".encode()).digest(), name

    return sorted(names, key=key)


def _draw(labelled: Collection[str], unlabelled: tuple[str, ...], settings: Split) -> SplitPlan:
    order = _shuffled(labelled, settings.seed, "split")
    if settings.folds is not None:
        test, how = _fold(order, settings.folds, settings.fold)
    else:
        # One patient has to be left to train, and from three on one to validate.
        kept = 2 if len(order) > 2 and settings.validation_fraction > 0 else 1
        test = order[: _share(len(order), settings.test_fraction, most=len(order) - kept)]
        how = f"{settings.test_fraction:g} test, {settings.validation_fraction:g} validation"
    rest = [name for name in order if name not in set(test)]
    chosen: list[str] = []
    if len(order) > 2:
        chosen = rest[: _share(len(order), settings.validation_fraction, most=len(rest) - 1)]
    else:
        how += f"; {len(order)} labelled: no validation, the last step is kept{'' if test else '; none is tested'}"
    return SplitPlan(
        train=tuple(sorted(set(rest) - set(chosen))),
        validation=tuple(sorted(chosen)),
        test=tuple(sorted(test)),
        unlabelled=unlabelled,
        seed=settings.seed,
        how=f"{how}; by patient, seed {settings.seed}",
    )


def _share(count: int, fraction: float, most: int) -> int:
    """`fraction` of `count`, at least one unless the fraction is 0, at most `most`."""
    return min(max(1, int(count * fraction + 0.5)), max(most, 0)) if fraction > 0 else 0


def _fold(order: list[str], folds: int, fold: int) -> tuple[list[str], str]:
    if folds > len(order):
        raise UsageError(
            found=f"split.folds={folds} with {len(order)} labelled patients", expected="no more folds than patients",
            fix="lower split.folds", code="split-folds",
        )  # fmt: skip
    return order[fold::folds], f"fold {fold} of {folds} is tested"


def _limit(plan: SplitPlan, count: int, seed: int) -> SplitPlan:
    """The plan with only `count` training patients labelled; a larger number keeps those of a smaller one."""
    if count == 0:
        return _without_labels(plan)
    if count > len(plan.train):
        raise UsageError(
            found=f"data.labelled={count}", expected=f"at most the {len(plan.train)} labelled training patients",
            fix="lower data.labelled, or leave it out to use all", code="too-few-labelled",
        )  # fmt: skip
    kept = set(_shuffled(plan.train, seed, "labelled")[:count])
    moved = set(plan.train) - kept
    return dataclasses.replace(
        plan,
        train=tuple(sorted(kept)),
        unlabelled=tuple(sorted({*plan.unlabelled, *moved})),
        how=f"{plan.how}; labels of {count} training patients used (data.labelled_seed {seed})",
    )


def _without_labels(plan: SplitPlan) -> SplitPlan:
    # Labels that choose the best step were looked at as well, so no patient validates.
    return dataclasses.replace(
        plan,
        train=(),
        validation=(),
        unlabelled=tuple(sorted({*plan.unlabelled, *plan.train, *plan.validation})),
        how=f"{plan.how}; no labels used but those of the test patients, at the end: none validates",
    )


def _no_training_patient(plan: SplitPlan, data: Data, data_set: DataSet) -> DataError:
    told = f"data.labelled={data.labelled}" if data.labelled == 0 else "a split without training patients"
    return DataError(
        found=f"{told}, so that none of {len(plan.unlabelled)} patients trains with labels",
        expected="at least one labelled training patient, or a source of the same organ with labels of its own",
        fix="raise data.labelled or correct split.file, or transfer from a source of the same organ",
        path=data_set.root, code="no-labels",
    )  # fmt: skip


def save_split(plan: SplitPlan, path: Path) -> None:
    """Write the plan as JSON, completely or not at all."""
    write_text(path, json.dumps(dataclasses.asdict(plan), indent=2, ensure_ascii=False) + "\n")


def load_split(path: Path) -> SplitPlan:
    """The plan `save_split` wrote; a file that is not one, or has a patient on two sides, raises DataError."""
    tree = read_declaration(path)
    train, validation, test, unlabelled = (_names(tree, side, path) for side in _SIDES)
    plan = SplitPlan(train, validation, test, unlabelled, entry(tree, "seed", int, path), entry(tree, "how", str, path))
    _refuse_shared_patients(plan, path)
    return plan


def _names(tree: dict[str, Any], side: str, path: Path) -> tuple[str, ...]:
    names = entry(tree, side, list, path)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise DataError(
            found=f"{side}: {names!s:.80}", expected="patients' names, each once", fix="write the split anew",
            path=path, code="split-file",
        )  # fmt: skip
    return tuple(names)


def _fit(plan: SplitPlan, labelled: tuple[str, ...], unlabelled: tuple[str, ...], file: str) -> SplitPlan:
    """The saved plan for these patients; unlabelled ones it does not know join the unlabelled side."""
    needed = {*plan.train, *plan.validation, *plan.test}
    placed = needed | set(plan.unlabelled)
    for names, found in (
        (needed - set(labelled), "patients of the split without labels in the data"),
        (set(plan.unlabelled) - {*labelled, *unlabelled}, "patients of the split that are not in the data"),
        (set(labelled) - placed, "labelled patients that the split does not place"),
    ):
        if names:
            raise DataError(
                found=f"{len(names)} {found}: {', '.join(sorted(names)[:5])}",
                expected="the patients the split was drawn from", fix="correct data.root or split.file, or draw anew",
                path=file, code="split-differs",
            )  # fmt: skip
    new = set(unlabelled) - placed
    how = f"saved split ({plan.how})" + (f"; {len(new)} unlabelled patients are new" if new else "")
    return dataclasses.replace(plan, unlabelled=tuple(sorted({*plan.unlabelled, *new})), how=how)


def refuse_leaks(plan: SplitPlan, hashes_by_patient: Mapping[str, Collection[str]]) -> None:
    """Raise DataError where a patient, or voxels of one content, lie on two sides.

    `hashes_by_patient` has the content hashes of each patient's images. Training and unlabelled patients are one side
    here: the network learns from both. Copies within one side are no leak.
    """
    _refuse_shared_patients(plan, None)
    owner: dict[str, tuple[str, str]] = {}
    for side, names in plan.sides().items():
        for patient in names:
            for content in hashes_by_patient.get(patient, ()):
                place = "train" if side == "unlabelled" else side
                first_patient, first_place = owner.setdefault(content, (patient, place))
                if first_place != place:
                    raise DataError(
                        found=f"the same voxels as {first_patient!r} ({first_place}) and {patient!r} ({side})",
                        expected="no image on two sides of the split",
                        fix="remove one of the copies, or name both as one patient", code="leak-voxels",
                    )  # fmt: skip


def _refuse_shared_patients(plan: SplitPlan, path: Path | None) -> None:
    seen: dict[str, str] = {}
    for side, names in plan.sides().items():
        for patient in names:
            if seen.setdefault(patient, side) != side:
                raise DataError(
                    found=f"patient {patient!r} in {seen[patient]} and in {side}", expected="every patient on one side",
                    fix="draw the split anew", path=path, code="leak-patient",
                )  # fmt: skip
