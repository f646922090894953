"""The scans that sources were trained on, on the target's grid."""

from collections.abc import Sequence
from dataclasses import replace

from seg.config import Settings
from seg.data.cache import PreparedCase, prepare_case
from seg.data.plan import Plan
from seg.errors import DataError, UsageError
from seg.recipes.prepare import Checked, Stage, cache_folder, check_and_split
from seg.recipes.scans_place import settings_in_place
from seg.recipes.source import Origin
from seg.recipes.together import by_first
from seg.recipes.trained import read_plan
from seg.records import Case
from seg.runs import Run


@by_first("preparing the source's scans")
def source_cases(origins: Sequence[Origin], plan: Plan, settings: Settings, progress: Stage) -> list[PreparedCase]:
    """The training scans of every source run on the target's grid, with masks of the source's own organs.

    Test and validation patients of the sources are left out. Where only one side knows millimetres, or neither,
    pixels are compared with pixels at the spacing the source was trained at.
    Raises UsageError where a source's scans cannot be had or read like the target's.
    """
    found: list[PreparedCase] = []
    for origin in origins:
        if origin.run is not None:
            found.extend(_cases_of(origin.run, plan, settings, progress))
    return found


def _checked_source(run: Run, own: Settings, progress: Stage) -> Checked:
    try:
        checked = check_and_split(own, progress, run.folder / "split.json")
    except DataError as error:
        raise DataError(
            found=f"the scans of the source {run.name} cannot be used: {error.found}", expected=error.expected,
            fix=f"put them back to {own.data.root or 'the synthetic abdomen'}; or choose a strategy without source"
            " scans", path=error.path, code=error.code,
        ) from error  # fmt: skip
    refuse_other_scans(run, checked)
    return checked


def refuse_other_scans(run: Run, checked: Checked) -> None:
    """Raise DataError for other scans than those of the run.

    Scans of the same names may lie where the source's lay: those of another scanner, or the target's own.
    """
    then = run.manifest().data.get("case_sha256", {})
    now = {facts.case: facts.voxel_sha256 for facts in checked.report.facts}
    other = sorted(case for case, content in then.items() if now.get(case, content) != content)
    if other:
        raise DataError(
            found=f"{len(other)} scans that differ from those the source {run.name} was trained on "
            f"({', '.join(other[:5])})", expected="the source's scans",
            fix="put them back, or choose a strategy without source scans", path=checked.data_set.root,
            code="source-data",
        )  # fmt: skip


def common_plan(run: Run, plan: Plan) -> Plan:
    """The source's plan on the target's grid; UsageError where one network cannot read both."""
    theirs = read_plan(run)
    if len(theirs.intensities) != len(plan.intensities):
        raise UsageError(
            found=f"source scans of {len(theirs.intensities)} channels, target scans of {len(plan.intensities)}",
            expected="scans that one network can read", fix="use a strategy that needs no source scans",
            code="source-channels",
        )  # fmt: skip
    spacing = plan.spacing if plan.unit == theirs.unit == "mm" else theirs.spacing
    return replace(theirs, spacing=spacing, size_px=plan.size_px, neighbours=plan.neighbours)


def _cases_of(run: Run, plan: Plan, settings: Settings, progress: Stage) -> list[PreparedCase]:
    own, common = settings_in_place(run), common_plan(run, plan)
    checked = _checked_source(run, own, progress)
    return prepare_source(checked, checked.cases(checked.split.train), own, common, settings, progress)


def prepare_source(
    checked: Checked, cases: Sequence[Case], own: Settings, common: Plan, settings: Settings, progress: Stage
) -> list[PreparedCase]:
    """Cases of a source with settings of its own, in the target's cache."""
    listener, prepared = progress("preparing the source"), []
    for number, case in enumerate(cases):
        folder = cache_folder(settings) / "cases"
        prepared.append(prepare_case(case, checked.data_set, checked.sources, common, own.data, folder))
        listener(number + 1, len(cases), case.name)
    return prepared
