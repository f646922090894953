"""Scans whose labels, if they have any, are not looked at: check them and hold some patients back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seg.config import Settings
from seg.data.cache import PreparedCase, prepare_case
from seg.data.checks.check import check_data
from seg.data.discover import find_data
from seg.data.splits import SplitPlan, draw_split, load_split, refuse_leaks
from seg.overrides import load_organ
from seg.recipes.prepare import Checked, Prepared, Stage, cache_folder, data_root, refuse_errors
from seg.recipes.together import by_first
from seg.records import Case, DataSet


@by_first("checking the scans")
def check_scans(settings: Settings, progress: Stage, split: Path | None = None) -> Checked:
    """Find and check the scans below `data.root`, and hold patients back (or take the saved split of an earlier run).

    Raises DataError where scans are broken, or where a scan of a held-out patient is also one of another patient.
    """
    data_set = find_data(data_root(settings, progress), settings.data)
    plan = hold_out(data_set, settings) if split is None else load_split(split)
    scans = replace(data_set, cases=tuple(replace(case, labels={}) for case in data_set.cases), orphans=())
    report = check_data(scans, (), settings.data, progress("checking"))
    refuse_errors(report, tolerated=("no-labels",))
    hashes: dict[str, set[str]] = {}
    for facts in report.facts:
        hashes.setdefault(facts.patient, set()).add(facts.voxel_sha256)
    refuse_leaks(plan, hashes)
    return Checked(scans, (), (), report, plan)


def hold_out(data_set: DataSet, settings: Settings) -> SplitPlan:
    """All patients on the unlabelled side but those that a training on the same data would test.

    So a model that starts from here has not seen the scans it is tested on, as long as both have the same `split.*`
    settings and data. With `split.file` the test patients of that split are held out. Where a training would test
    nobody, for want of labels, patients are drawn as if all of them were labelled.
    """
    everyone = sorted({case.patient for case in data_set.cases})
    if settings.split.file:
        held = set(load_split(Path(settings.split.file)).test) & set(everyone)
        how = f"tested by {Path(settings.split.file).name}"
    else:
        held = _tested(data_set, settings) or _tested(_as_if_labelled(data_set), settings)
        how = f"by patient, seed {settings.split.seed}"
    return SplitPlan(
        train=(), validation=(), test=tuple(sorted(held)),
        unlabelled=tuple(name for name in everyone if name not in held), seed=settings.split.seed,
        how=f"{len(held)} of {len(everyone)} patients held out to measure restoration; {how}; labels not looked at",
    )  # fmt: skip


def _tested(data_set: DataSet, settings: Settings) -> set[str]:
    data = settings.data.model_copy(update={"labelled": None})
    return set(draw_split(data_set, settings.split, data).test) if data_set.labelled else set()


def _as_if_labelled(data_set: DataSet) -> DataSet:
    return replace(data_set, cases=tuple(replace(case, labels={"": ()}) for case in data_set.cases))


def with_window(settings: Settings) -> Settings:
    """The settings with the CT window of their organs written out: the plan of a pretraining has no organs to ask."""
    windows = [load_organ(name).window_hu for name in settings.organ]
    joint = (min(low for low, _ in windows), max(high for _, high in windows))
    prepare = settings.prepare.model_copy(update={"window_hu": settings.prepare.window_hu or joint})
    return settings.model_copy(update={"prepare": prepare})


def held_out_cases(prepared: Prepared, settings: Settings, progress: Stage) -> list[PreparedCase]:
    """The prepared scans of the patients that were held back."""
    checked = prepared.checked
    cases: Sequence[Case] = checked.cases(checked.split.test, labelled=False)
    listener, found = progress("preparing held-out scans"), []
    for number, case in enumerate(cases):
        folder = cache_folder(settings) / "cases"
        found.append(prepare_case(case, checked.data_set, (), prepared.plan, settings.data, folder))
        listener(number + 1, len(cases), case.name)
    return found
