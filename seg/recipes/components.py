"""A training's strategy: which components, with which knobs, and whether the data has what they need."""

from collections.abc import Mapping, Sequence

from seg.config import Settings
from seg.data.splits import SplitPlan
from seg.errors import UsageError
from seg.knobs import component_settings
from seg.recipes.source import Origin
from seg.registry import COMPONENTS
from seg.transfer.component import Component, ComponentInfo, Task


def component_infos(settings: Settings) -> dict[str, ComponentInfo]:
    """What each component of the settings is, in order."""
    return {name: COMPONENTS.load(name).COMPONENT for name in settings.components}


def with_knobs(settings: Settings) -> Settings:
    """The settings with every knob of every component written out; UsageError for one that cannot be meant."""
    whole = {
        name: component_settings(info.settings, name, settings.components[name]).model_dump(mode="json")
        for name, info in component_infos(settings).items()
    }
    return settings.model_copy(update={"components": whole})


def needs_source_scans(settings: Settings) -> bool:
    """Whether a component trains on the source's scans."""
    return any("source scans" in info.needs for info in component_infos(settings).values())


def fitted_to_labels(settings: Settings, origins: Sequence[Origin], split: SplitPlan) -> Settings:
    """The settings, changed where no target patient is labelled: then the source's labels are learned.

    Raises UsageError, before anything runs, where a component lacks what it needs.
    """
    labels_elsewhere = any(origin.organs == settings.organ for origin in origins)
    if not split.train and labels_elsewhere:
        settings = _taught_by_source(settings)
    counts = {side: len(patients) for side, patients in split.sides().items()}
    _refuse_missing_needs(settings, origins, {**counts, "train": counts["train"] or labels_elsewhere})
    return settings


def _taught_by_source(settings: Settings) -> Settings:
    components = {name: knobs for name, knobs in settings.components.items() if name != "supervised"}
    if "joint" not in components and not {"importance", "tradaboost"} & set(components):
        components = {"joint": {}, **components}
    return with_knobs(settings.model_copy(update={"components": components}))


def make_components(settings: Settings, task: Task) -> list[Component]:
    """The strategy's components in the order they are listed."""
    return [
        info.make(task, component_settings(info.settings, name, settings.components[name]))
        for name, info in component_infos(settings).items()
    ]


def _refuse_missing_needs(settings: Settings, origins: Sequence[Origin], patients: Mapping[str, int]) -> None:
    source_run = any(origin.run is not None and origin.organs for origin in origins)
    lacking = {
        "labels": (patients["train"] == 0, "labelled training patients",
                   "label some, raise data.labelled, or use a source of the same organ"),
        "unlabelled": (patients["unlabelled"] == 0, "unlabelled target scans",
                       "add scans without labels, or keep some back with data.labelled"),
        "source model": (not any(origin.file is not None for origin in origins), "a source model",
                         "name a run or a weight file: --from liver"),
        "source scans": (not source_run, "scans of a source", "name a run of this program as source: --from liver"),
    }  # fmt: skip
    for name, info in component_infos(settings).items():
        for need in info.needs:
            missing, what, fix = lacking[need]
            if missing:
                raise UsageError(
                    found=f"no {what} for {name}", expected=f"{what}: {info.title.lower()} needs them",
                    fix=f"{fix}; or choose another strategy (seg list strategies)", code="missing-need",
                )  # fmt: skip
