"""A few of the scans that a source was trained on, to be looked at: the others are not even read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seg.config import Settings
from seg.data.cache import PreparedCase
from seg.data.checks.check import check_data
from seg.data.discover import find_data
from seg.data.organs import organ_sources
from seg.data.plan import Plan
from seg.data.splits import draw_split
from seg.overrides import load_organ
from seg.recipes.prepare import Checked, Stage, data_root, refuse_errors
from seg.recipes.scans_place import settings_in_place
from seg.recipes.source_scans import common_plan, prepare_source, refuse_other_scans
from seg.records import Case
from seg.runs import Run


@dataclass(frozen=True)
class SourceSample:
    """Training scans of a source run on a target's grid."""

    checked: Checked
    """The source's data with its own split; of the cases only those of the sample."""
    plan: Plan
    cases: tuple[PreparedCase, ...]


def source_sample(run: Run, plan: Plan, settings: Settings, progress: Stage) -> SourceSample:
    """At most `advise.cases` training cases of the run, drawn by name and `advise.seed`, as `source_cases` has them.

    They are checked as a training would check them. Raises SegError where they cannot be had or read like the target's.
    """
    own, common = settings_in_place(run), common_plan(run, plan)
    checked = _checked_sample(run, own, settings, progress)
    cases = prepare_source(checked, checked.data_set.cases, own, common, settings, progress)
    return SourceSample(checked, common, tuple(cases))


def _checked_sample(run: Run, own: Settings, settings: Settings, progress: Stage) -> Checked:
    organs = tuple(load_organ(name) for name in own.organ)
    whole = find_data(data_root(own, progress), own.data)
    split_settings = own.split.model_copy(update={"file": str(run.folder / "split.json")})
    split = draw_split(whole, split_settings, own.data)
    few = replace(whole, cases=tuple(_drawn(whole.labelled, split.train, settings)))
    report = check_data(few, organs, own.data, progress("checking the source"))
    refuse_errors(report)
    sources = organ_sources(whole, organs, own.data, report.label_values)
    checked = Checked(few, organs, sources, report, split)
    refuse_other_scans(run, checked)
    return checked


def _drawn(cases: Sequence[Case], patients: Sequence[str], settings: Settings) -> list[Case]:
    chosen = set(patients)
    ordered = sorted((case for case in cases if case.patient in chosen), key=lambda case: case.name)
    places = np.random.default_rng(settings.advise.seed).permutation(len(ordered))[: settings.advise.cases]
    return [ordered[place] for place in sorted(places)]
