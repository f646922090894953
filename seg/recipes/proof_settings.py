"""The settings of every training of a proof: the same for all arms but for what makes an arm what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg.config import Settings
from seg.errors import UsageError
from seg.knobs import is_knob, merge
from seg.overrides import load_named
from seg.recipes.arms import WARM_UP, Arm
from seg.recipes.components import with_knobs
from seg.recipes.earlier import changed
from seg.recipes.given import AnyPath, resolved_settings, words_of
from seg.recipes.prepare import cache_folder
from seg.recipes.proof_folder import ProofFolder, as_plain, training_name
from seg.recipes.source import find_origin
from seg.recipes.start import taken_over
from seg.schema import flatten

EVALUATIONS = 10
"""How often a training scores the test patients where `evaluate.curve` is not given: the end, the mean of the last
tenth of them, is then one evaluation, and a slope has nine pieces to be found on."""
_OF_THE_PROOF = {
    "organ": "--to", "transfer.source": "--from", "strategy": "--arms", "model.weights": "--arms",
    "data.labelled": "--sizes", "data.labelled_seed": "--seeds", "train.seed": "--seeds", "runs.name": "--name",
    "components": "--arms",
}  # fmt: skip
_UNEQUAL = {
    "train.patience": "it would end each arm at another step",
    "train.time_budget_min": "it would give each arm other steps",
    "transfer.via": "an organ on the way is chosen by trainings of its own",
}
"""Settings under which arms are not comparable."""


@dataclass(frozen=True)
class Given:
    """What a person gives for all arms, as a transfer takes it."""

    target: tuple[str, ...]
    words: tuple[str, ...]
    config: tuple[Path, ...] = ()


def given_for_all(target: str | Sequence[str], words: Sequence[str], config: Sequence[AnyPath] = ()) -> Given:
    """These words, checked: UsageError for one that an option of the proof says, or that would part the arms."""
    for word in words:
        option = _OF_THE_PROOF.get(word.partition("=")[0])
        if option:
            raise UsageError(
                found=f"{word} for all arms", expected=f"{option}, which says it for each training",
                fix=f"leave the word out, and use {option}", code="said-twice",
            )  # fmt: skip
    organs = tuple(target.split(",")) if isinstance(target, str) else tuple(target)
    return Given(organs, tuple(words), tuple(Path(path) for path in config))


def base_settings(given: Given) -> Settings:
    """The settings without any arm, for what has to be known before there are arms: folders and scans."""
    plain = [word for word in given.words if not is_knob(word.partition("=")[0])]
    return resolved_settings(words_of(given.target, plain), given.config)


def arm_settings(given: Given, arm: Arm, network: str, folder: ProofFolder) -> Settings:
    """What all trainings of an arm share; `network` is the source whose network all arms have.

    Places are absolute: a launcher may train in another folder.
    """
    words = (f"strategy={','.join((WARM_UP, *arm.strategy))}", *_own_words(given, arm))
    runs = Path(base_settings(given).runs.folder)
    shared = merge(taken_over(find_origin(network, runs)), taken_over(find_origin(arm.source, runs)))
    found = resolved_settings(words_of(given.target, words), given.config, on_this_machine=True, source=shared)
    _refuse_unequal(found)
    found = changed(
        found,
        # The guard would put another training in the place of one that hurts, which a proof is there to show.
        transfer={"source": (arm.source,), "guard": False},
        data={"root": _absolute(found.data.root)},
        split={"file": _absolute(found.split.file)},
        prepare={"cache": _absolute(str(cache_folder(found)))},
        runs={"folder": _absolute(str(folder.runs))},
    )
    return with_knobs(found)


def training_settings(settings: Settings, arm: Arm, size: int, seed: int) -> Settings:
    """The settings of one training of an arm."""
    return changed(
        settings,
        train={"seed": seed},
        data={"labelled": size, "labelled_seed": seed},
        runs={"name": training_name(arm, size, seed)},
    )


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def _own_words(given: Given, arm: Arm) -> tuple[str, ...]:
    """The words that concern an arm: a knob only where the arm has that component; its own ones last."""
    own = components_of(arm)
    words = [word for word in given.words if not is_knob(word.partition("=")[0]) or word.partition(".")[0] in own]
    defaults = (f"evaluate.curve={EVALUATIONS}",)
    return (*defaults, *words, *arm.knobs)


def components_of(arm: Arm) -> frozenset[str]:
    """What an arm's strategies are made of, the warm-up among it."""
    return frozenset(
        component for name in (WARM_UP, *arm.strategy) for component in load_named("strategy", name)["components"]
    )


def refuse_unused_knobs(given: Given, arms: Sequence[Arm]) -> None:
    """Raise UsageError for a knob of a component that no arm has."""
    used = frozenset().union(*map(components_of, arms))
    for word in given.words:
        component = word.partition(".")[0]
        if is_knob(word.partition("=")[0]) and component not in used:
            raise UsageError(
                found=f"{word}, which no arm uses", expected=f"settings of {', '.join(sorted(used))}",
                fix=f"add an arm with {component}, or leave the word out", code="unused-component",
            )  # fmt: skip


def _refuse_unequal(settings: Settings) -> None:
    flat = dict(flatten(settings.model_dump()))
    for name, why in _UNEQUAL.items():
        if name in flat and flat[name] not in (None, ()):
            raise UsageError(
                found=f"{name}={flat[name]} for a proof", expected=f"no {name}: {why}", fix="leave it out",
                code="unequal-arms",
            )  # fmt: skip
    if settings.evaluate.curve < 2:
        raise UsageError(
            found=f"evaluate.curve={settings.evaluate.curve} for a proof",
            expected="the test patients scored at the start and at the end, at least",
            fix=f"leave it out, which means {EVALUATIONS}", code="no-curve",
        )  # fmt: skip


def shared_settings(settings: Sequence[Settings]) -> dict[str, Any]:
    """What all arms have in common; UsageError where a strategy of one of them changes more than that."""
    every = [_without_own(one) for one in settings]
    flat = [dict(flatten(tree)) for tree in every]
    for other, own in zip(settings, flat, strict=True):
        name = next((name for name in {**flat[0], **own} if flat[0].get(name) != own.get(name)), None)
        if name is not None:
            raise UsageError(
                found=f"{name}={own.get(name)} for {', '.join(other.strategy)}, where another arm has "
                f"{flat[0].get(name)}", expected="arms that differ in source and strategy alone",
                fix=f"say {name} for all, or leave that strategy out", code="unequal-arms",
            )  # fmt: skip
    return every[0]


def _without_own(settings: Settings) -> dict[str, Any]:
    """Without what makes an arm an arm, a training a training, and without where results go."""
    tree = as_plain(settings.model_dump(mode="json"))
    own: Mapping[str, tuple[str, ...]] = {
        "data": ("labelled", "labelled_seed"), "train": ("seed",), "model": ("weights",), "prepare": ("cache",),
    }  # fmt: skip
    for section, names in own.items():
        for name in names:
            del tree[section][name]
    return {name: part for name, part in tree.items() if name not in ("strategy", "components", "transfer", "runs")}
