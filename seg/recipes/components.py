"""A training's strategy: which components, with which knobs, and whether the data has what they need."""

from collections.abc import Collection, Sequence

from seg.config import Settings
from seg.data.splits import SplitPlan
from seg.errors import UsageError
from seg.knobs import component_settings
from seg.recipes.source import Origin
from seg.recipes.start import start_weights
from seg.registry import COMPONENTS
from seg.transfer.component import Component, ComponentInfo, Need, Task


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


def has_labels_elsewhere(settings: Settings, origins: Sequence[Origin]) -> bool:
    """Whether a source's scans show the target's own organs, so that the target needs no labels."""
    return any(origin.run is not None and origin.organs == settings.organ for origin in origins)


def refuse_start_without_needs(settings: Settings, origins: Sequence[Origin]) -> None:
    """Raise UsageError, before any scan is read, where a component needs what no source of the settings offers."""
    refuse_missing_needs(settings, {*met_by_start(settings, origins), "labels", "unlabelled"})


def fitted_to_labels(settings: Settings, origins: Sequence[Origin], split: SplitPlan) -> Settings:
    """The settings, changed where no target patient is labelled: then the source's labels are learned.

    Raises UsageError, before anything runs, where a component lacks what it needs.
    """
    labels_elsewhere = has_labels_elsewhere(settings, origins)
    if not split.train and labels_elsewhere:
        settings = _taught_by_source(settings)
    elsewhere: set[Need] = {"labels"} if labels_elsewhere else set()
    refuse_missing_needs(settings, met_needs(settings, origins, split) | elsewhere)
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


def met_needs(settings: Settings, origins: Sequence[Origin], split: SplitPlan) -> frozenset[Need]:
    """What sources and patients offer to components."""
    offered: dict[Need, bool] = {"labels": bool(split.train), "unlabelled": bool(split.unlabelled)}
    return met_by_start(settings, origins) | {need for need, there in offered.items() if there}


def met_by_start(settings: Settings, origins: Sequence[Origin]) -> frozenset[Need]:
    """What sources and published weights offer to components; `auto` may come to nothing still."""
    offered: dict[Need, bool] = {
        "weights": any(origin.file for origin in origins) or start_weights(settings, origins) != "none",
        "source model": any(origin.file is not None for origin in origins),
        "source scans": any(origin.run is not None and origin.organs for origin in origins),
    }
    return frozenset(need for need, there in offered.items() if there)


def refuse_missing_needs(settings: Settings, met: Collection[Need]) -> None:
    """Raise UsageError where a component needs what is not `met`."""
    infos = component_infos(settings)
    given = {need for info in infos.values() for need in info.gives}
    for name, info in infos.items():
        for need in info.needs:
            if need not in met and need not in given:
                what, fix = _NEEDED[need]
                raise UsageError(
                    found=f"no {what} for {name}", expected=f"{what}, which {name} ({info.title}) needs",
                    fix=f"{fix.replace('NAME', name)}; or choose another strategy (seg list strategies)",
                    code="missing-need",
                )  # fmt: skip


_NEEDED: dict[Need, tuple[str, str]] = {
    "labels": ("labelled training patients", "label some, raise data.labelled, or use a source of the same organ"),
    "unlabelled": ("unlabelled target scans", "add scans without labels, or keep some back with data.labelled"),
    "weights": ("weights that a model learned", "name a source: --from liver, a weight file or --from imagenet"),
    "source model": ("source model", "name a run or a weight file: --from liver"),
    "source scans": ("scans of a source", "name a run of this program as source: --from liver"),
    "teacher": ("teacher", "list one: --strategy mean_teacher,NAME"),
}
"""What a need is called, and what to do where it is not met."""
