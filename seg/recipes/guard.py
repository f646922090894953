"""The guard of `seg transfer`: short trainings on the target say first whether the source would hurt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seg.config import Settings, Transfer
from seg.errors import CheckpointError
from seg.models.published import require_published
from seg.overrides import load_named
from seg.proof.guard import judge
from seg.proof.guarded import Guarded, Probed
from seg.recipes.components import with_knobs
from seg.recipes.earlier import changed
from seg.recipes.lineage import named
from seg.recipes.prepare import Checked
from seg.recipes.probe import SHARE, Probes, probe_folds
from seg.recipes.source import find_origin, find_origins
from seg.recipes.start import refuse_bad_start
from seg.report.numbers import count_text
from seg.train.log import duration

STRATEGY = "supervised"
"""Of what a transfer is compared with."""
LEAST_STEPS = 100
"""Of a probe, where the target's training has as many. A decoder that starts from nothing needs them to find the organ:
from ImageNet weights 50 steps reached a Dice of 0.03 on the pancreas, 100 steps of a longer training 0.50
(docs/results.md, negative transfer)."""
_SPOKEN = {"imagenet": "ImageNet weights", "none": "nothing"}


@dataclass
class SourceGuard:
    """Compares the transfer as asked with the same training without its source."""

    console: Console
    way: Probes | None = None
    """Probes of a way through other organs, the last of which is the transfer's; without them it has its own."""

    def planned(self, settings: Settings, checked: Checked) -> str:
        """What is compared first, on whom, and what share of all steps that is."""
        probes = self._probes(settings, checked)
        if why := cannot_judge(checked, probes):
            return f"Guard: it cannot be said whether {_words(settings)} helps or hurts, since {why}."
        trainings = len(probes.folds) * (2 if self.way is None else 1)
        ratio = length_ratio(probes)
        share = "" if ratio is None else f", {trainings / (trainings + ratio):.0%} of all steps"
        return (
            f"Guard: {count_text(trainings, 'short training')} of {probes.length()} first compare {_words(settings)} "
            f"with {_words(fallback_of(settings))}, judged on {judged_on(probes)}{share}; --no-guard leaves that out."
        )

    def decide(self, settings: Settings, checked: Checked) -> tuple[Settings, Guarded]:
        """The settings as they are, or the fallback's where the transfer hurts beyond the interval and the margin."""
        probes, fallback = self._probes(settings, checked), fallback_of(settings)
        refuse_bad_start(fallback, find_origins(fallback))
        if why := cannot_judge(checked, probes):
            guarded = judge(Probed(_words(settings)), Probed(_words(fallback)), why)
        else:
            self._say(self.planned(settings, checked))
            transfer = _probed(probes, settings.transfer.source)
            self._say_time(probes, transfer)
            # Named by organs alone: other transfers to this target, under names of their own, share the result.
            without = probes.of(changed(fallback, runs={"name": ""}))
            guarded = judge(transfer, _probed(without, fallback.transfer.source), judged_on(probes))
        self._say(guarded.sentence())
        return (fallback if guarded.hurt else settings), guarded

    def _probes(self, settings: Settings, checked: Checked) -> Probes:
        if self.way is not None:
            return self.way
        folds = probe_folds(checked)
        # Several folds together take as long as one.
        share = SHARE * max(1, len(folds))
        return Probes(settings, folds, self.console, steps=least_steps(settings, share), share=share, as_asked=True)

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _say_time(self, probes: Probes, transfer: Probed) -> None:
        ratio = length_ratio(probes)
        whole = (
            "" if ratio is None else f", the training itself {duration(transfer.seconds / transfer.trainings * ratio)}"
        )
        self._say(f"Guard: this took {duration(transfer.seconds)}; without the source it takes about as long{whole}.")


def source_guard(settings: Settings, console: Console, way: Probes | None = None) -> SourceGuard | None:
    """The guard of a transfer; None where it is not wanted, or the start is nothing else than a fallback would be."""
    models = [origin for origin in find_origins(settings) if origin.run is not None]
    return SourceGuard(console, way) if settings.transfer.guard and models else None


def fallback_of(settings: Settings) -> Settings:
    """What is trained where the source hurts: the same data and network, the start that `model.weights` names."""
    word = fallback_word(settings)
    components = {name: settings.components.get(name, {}) for name in load_named("strategy", STRATEGY)["components"]}
    bare = {"strategy": (STRATEGY,), "components": components, "transfer": Transfer(source=(word,))}
    return with_knobs(settings.model_copy(update=bare))


def fallback_word(settings: Settings) -> str:
    """`imagenet` where it is meant and can be had, a file where one is named, else `none`."""
    weights = settings.model.weights
    if weights not in ("imagenet", "auto"):
        return find_origin(weights, Path(settings.runs.folder)).place
    try:
        require_published(settings.model.encoder)
    except CheckpointError:
        return "none"
    return "imagenet"


def cannot_judge(checked: Checked, probes: Probes) -> str:
    """Why no two trainings can be compared; empty where they can."""
    if not checked.split.train:
        return "no target patient has labels to train with in another way"
    if not probes.folds:
        return "one labelled patient trains and none validates"
    return ""


def judged_on(probes: Probes) -> str:
    """Whom the probes did not learn from."""
    patients = sum(len(checked.split.validation) for checked in probes.folds)
    if len(probes.folds) == 1:
        return count_text(patients, "validation patient")
    return f"{patients} labelled training patients in {len(probes.folds)} folds"


def least_steps(settings: Settings, share: int) -> int | None:
    """Steps of a probe that a share of the target's would leave shorter than LEAST_STEPS; None where nothing is."""
    train, told = settings.train, settings.transfer.probe_steps is not None
    steps = train.steps or 1000
    if told or train.epochs is not None or train.time_budget_min is not None or steps // share >= LEAST_STEPS:
        return None
    return min(steps, LEAST_STEPS)


def length_ratio(probes: Probes) -> float | None:
    """The target's training as a multiple of a probe; None where one counts steps and the other epochs."""
    settings = probes.settings
    steps, probe_steps = settings.train.steps or 1000, settings.transfer.probe_steps
    if probe_steps is None:
        least = least_steps(settings, probes.share) if probes.as_asked else None
        return float(probes.share) if least is None else steps / least
    return None if settings.train.epochs is not None else steps / probe_steps


def _probed(probes: Probes, sources: Sequence[str]) -> Probed:
    results = probes.results(tuple(sources))
    dice = {patient: value for result in results for patient, value in result["patient_dice"].items()}
    seconds = sum(float(result["training_s"]) for result in results)
    words = _words(changed(probes.settings, transfer={"source": tuple(sources)}))
    return Probed(words, dice, int(results[0]["steps"]), len(results), round(seconds, 1))


def _words(settings: Settings) -> str:
    """Such as `finetune from liver-1` or `plain training from ImageNet weights`."""
    sources = [_SPOKEN.get(word, named(word)) for word in settings.transfer.source]
    how = "plain training" if settings.strategy == (STRATEGY,) else ", ".join(settings.strategy)
    return f"{how} from {' and '.join(sources)}"
