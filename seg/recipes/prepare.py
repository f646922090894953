"""From scans on disk to prepared cases: look, check, split, plan, cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.config import Organ, Settings
from seg.data.cache import PreparedCase, prepare_case
from seg.data.checks.check import CheckReport, check_data
from seg.data.discover import find_data
from seg.data.fingerprint import Fingerprint, take_fingerprint
from seg.data.organs import OrganSource, organ_sources, prediction_values, sources_without_labels
from seg.data.phantom.layouts import embedded_data
from seg.data.plan import Plan, make_plan
from seg.data.splits import SplitPlan, draw_split, refuse_leaks
from seg.errors import DataError, UsageError
from seg.overrides import load_organ
from seg.progress import Progress, silent
from seg.recipes.together import by_first
from seg.records import Case, DataSet

Stage = Callable[[str], Progress]
"""Called with the name of a stage that begins; returns who listens to its progress."""


@dataclass(frozen=True)
class Checked:
    """A data set that training may rely on, and who is to train, choose and judge."""

    data_set: DataSet
    organs: tuple[Organ, ...]
    sources: tuple[OrganSource, ...]
    report: CheckReport
    split: SplitPlan

    def cases(self, patients: Sequence[str], labelled: bool = True) -> list[Case]:
        """The cases of some patients, in the data set's order."""
        chosen = set(patients)
        return [case for case in self.data_set.cases if case.patient in chosen and (case.labelled or not labelled)]


@dataclass(frozen=True)
class Prepared:
    """Everything a training reads."""

    checked: Checked
    fingerprint: Fingerprint
    plan: Plan
    train: tuple[PreparedCase, ...]
    validation: tuple[PreparedCase, ...]
    unlabelled: tuple[PreparedCase, ...]
    modality_guessed: bool
    """True where neither settings nor, for every channel, the data set say what intensities mean."""


def _quiet(stage: str) -> Progress:
    return silent


def prepare(settings: Settings, progress: Stage = _quiet, *, labels_elsewhere: bool = False) -> Prepared:
    """Check the data and bring all but the test patients to the network's grid; the cache is used where it fits.

    Raises DataError with every problem of every file where the check finds errors.
    """
    checked = check_and_split(settings, progress, labels_elsewhere=labels_elsewhere)
    return prepare_checked(checked, settings, progress)


@by_first("checking the scans")
def check_and_split(
    settings: Settings, progress: Stage = _quiet, split: Path | None = None, *, labels_elsewhere: bool = False
) -> Checked:
    """Find and check the data, and split the patients (or take the saved split of an earlier run).

    With `labels_elsewhere`, where a source's scans teach the organ, no patient has to be labelled.
    """
    root = data_root(settings, progress)
    organs = tuple(load_organ(name) for name in settings.organ)
    data_set = find_data(root, settings.data)
    report = check_data(data_set, organs, settings.data, progress("checking"))
    refuse_errors(report, tolerated=("no-labels",) if labels_elsewhere else ())
    if data_set.labelled or not labels_elsewhere:
        sources = organ_sources(data_set, organs, settings.data, report.label_values)
    else:
        sources = sources_without_labels(data_set, organs, settings.data)
    chosen = settings.split if split is None else settings.split.model_copy(update={"file": str(split)})
    plan = draw_split(data_set, chosen, settings.data, labels_elsewhere=labels_elsewhere)
    hashes: dict[str, set[str]] = {}
    for facts in report.facts:
        hashes.setdefault(facts.patient, set()).add(facts.voxel_sha256)
    refuse_leaks(plan, hashes)
    return Checked(data_set, organs, sources, report, plan)


def data_root(settings: Settings, progress: Stage = _quiet) -> Path:
    """`data.root`, or the synthetic abdomen where none is given; it is made once."""
    if settings.data.root:
        return Path(settings.data.root)
    progress("making the synthetic abdomen")
    return embedded_data(cache_folder(settings))


def cache_folder(settings: Settings) -> Path:
    """Where prepared scans are kept."""
    return Path(settings.prepare.cache) if settings.prepare.cache else Path(settings.runs.folder) / ".cache"


def refuse_errors(report: CheckReport, tolerated: Sequence[str] = ()) -> None:
    """Raise one DataError that lists every error of the check, but those with a tolerated code."""
    errors = [error for error in report.errors if error.code not in tolerated]
    if not errors:
        return
    lines = [f"  {e.path}: found {e.found}; expected {e.expected}. To do: {e.fix}" for e in errors]
    raise DataError(
        found=f"{len(errors)} problem{'s' if len(errors) > 1 else ''} in the data:\n" + "\n".join(lines) + "\n",
        expected="data without errors", fix="mend or remove these files (`seg check` shows the whole table)",
        code=errors[0].code if len(errors) == 1 else "data-errors",
    )  # fmt: skip


@by_first("preparing the scans")
def prepare_checked(checked: Checked, settings: Settings, progress: Stage = _quiet) -> Prepared:
    """Fingerprint, plan and cache of a checked data set."""
    training = checked.cases(checked.split.train)
    unlabelled = [_without_labels(case) for case in checked.cases(checked.split.unlabelled, labelled=False)]
    if not training:
        refuse_unknown_percentiles(settings)
    fingerprint = take_fingerprint(
        checked.data_set, training or unlabelled, checked.sources, settings.data, progress("fingerprinting")
    )
    values = prediction_values(checked.organs, checked.sources)
    plan = make_plan(fingerprint, checked.organs, values, settings.prepare)
    groups = [training, checked.cases(checked.split.validation), unlabelled]
    cases = [case for group in groups for case in group]
    listener, prepared = progress("preparing"), []
    for number, case in enumerate(cases):
        folder = cache_folder(settings) / "cases"
        prepared.append(prepare_case(case, checked.data_set, checked.sources, plan, settings.data, folder))
        listener(number + 1, len(cases), case.name)
    first, second = len(groups[0]), len(groups[0]) + len(groups[1])
    return Prepared(
        checked, fingerprint, plan,
        tuple(prepared[:first]), tuple(prepared[first:second]), tuple(prepared[second:]),
        settings.data.modality == "auto",
    )  # fmt: skip


@by_first("preparing the test patients")
def prepare_tested(prepared: Prepared, settings: Settings, progress: Stage = _quiet) -> tuple[PreparedCase, ...]:
    """The test patients on the network's grid; no training may learn from them or choose by them."""
    checked = prepared.checked
    cases, listener, found = checked.cases(checked.split.test), progress("preparing the test patients"), []
    for number, case in enumerate(cases):
        folder = cache_folder(settings) / "cases"
        found.append(prepare_case(case, checked.data_set, checked.sources, prepared.plan, settings.data, folder))
        listener(number + 1, len(cases), case.name)
    return tuple(found)


def refuse_unknown_percentiles(settings: Settings) -> None:
    """Raise UsageError where intensities are to follow the inside of organs that no label shows."""
    if settings.prepare.intensity == "percentiles":
        raise UsageError(
            found="prepare.intensity=percentiles without a labelled training patient",
            expected="window, zscore or range, which need no labels", fix="choose one, or prepare.intensity=auto",
            code="no-labels",
        )  # fmt: skip


def _without_labels(case: Case) -> Case:
    return Case(case.name, case.patient, case.kind, case.channels, {}, case.slice_names)
