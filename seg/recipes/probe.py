"""Short trainings on the target that say which of two starts serves it better; its test patients play no part."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from rich.console import Console

from seg.config import Settings
from seg.data.splits import SplitPlan
from seg.errors import UsageError
from seg.recipes.bookkeeping import note_results, note_training, note_verb
from seg.recipes.components import fitted_to_labels, needs_source_scans
from seg.recipes.earlier import changed, find_earlier, run_name
from seg.recipes.ending import noted_end
from seg.recipes.hop import finetuned, or_finetuned, starting_from
from seg.recipes.lineage import named
from seg.recipes.opening import opened
from seg.recipes.prepare import Checked, Prepared, cache_folder, prepare_checked
from seg.recipes.source import find_origins
from seg.recipes.source_scans import source_cases
from seg.recipes.stages import console_stages
from seg.recipes.start import start_network
from seg.recipes.together import by_first
from seg.recipes.train import make_training, open_run, run_loop
from seg.report.numbers import count_text
from seg.runs import PROBE, Run
from seg.train.memory import validation_memory
from seg.train.training import Progress, Training
from seg.train.validate import patient_dice

FOLDER = ".probes"
"""Below `runs.folder`, where no probe is taken for a model of its organ."""
SHARE = 4
"""A probe takes the target's steps divided by this where `transfer.probe_steps` is null."""
_ALL_LEFT_OUT_ONCE = 4
"""Fewer labelled patients than this are held out one by one, since half of them would train next to nothing."""


@dataclass
class Probes:
    """The target's training from one start after another, each scored on the same patients."""

    settings: Settings
    """Of the target; what the first start does not allow is no fair comparison for another, so it decides."""
    folds: tuple[Checked, ...]
    """Who trains and who is held out; none where nobody can be."""
    console: Console
    remark: str = ""
    """Why the strategy is not the target's, where it is not."""
    steps: int | None = None
    """What the first probe took; all others take the same, whatever a time budget would make of them."""
    share: int = SHARE
    """A probe takes the target's length divided by this, where neither `steps` nor `transfer.probe_steps` says it."""
    as_asked: bool = False
    """Whether a strategy that the first start does not allow is refused; else finetune takes its place."""
    _results: dict[tuple[str, ...], tuple[dict[str, Any], ...]] = field(default_factory=dict)
    _prepared: dict[int, Prepared] = field(default_factory=dict)

    def score(self, sources: tuple[str, ...]) -> float | None:
        """Validation Dice of a probe from these sources, mean over the held-out patients; None without any."""
        held_out = [len(checked.split.validation) for checked in self.folds]
        dice = [float(results["validation_dice"]) for results in self.results(sources)]
        weighted = sum(one * count for one, count in zip(dice, held_out, strict=True))
        return weighted / sum(held_out) if held_out else None

    def results(self, sources: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
        """What the manifest of each fold's probe from these sources says of it; trained once."""
        if sources not in self._results:
            self._results[sources] = tuple(self._fold_results(sources, number) for number, _ in enumerate(self.folds))
        return self._results[sources]

    def of(self, settings: Settings) -> "Probes":
        """Probes of the same patients and length for other settings of the same data."""
        return replace(self, settings=settings, _results={})

    def _fold_results(self, sources: tuple[str, ...], number: int) -> dict[str, Any]:
        fold = f", fold {number + 1} of {len(self.folds)}" if len(self.folds) > 1 else ""
        said = f"Probe of {', '.join(self.settings.organ)} from {named(sources[0])}{fold}"
        words = [self.settings.runs.name or "-".join(self.settings.organ), "from", named(sources[0])]
        name = run_name(*words, *([f"fold-{number + 1}"] if fold else []))
        self.console.print(said, highlight=False, markup=False, soft_wrap=True)

        def train(settings: Settings) -> Run:
            return self._train(probe_settings(settings, sources, name, self.steps, self.share), number)

        if self.steps is None and not self.as_asked:
            run, refused = or_finetuned(self.settings, train)
            if refused:
                self.settings = finetuned(self.settings)
                self.remark = f"Probes are trained with finetune, as {refused}."
        else:
            run = train(self.settings)
        results = run.manifest().results
        self.steps = self.steps or int(results["steps"])
        return results

    def _train(self, wished: Settings, number: int) -> Run:
        prepared = self._prepare(number)
        settings, earlier = find_earlier(wished, find_origins(wished), lambda: prepared)
        if earlier is not None and earlier.manifest().state == "finished":
            self.console.print("Finished before.", highlight=False, markup=False, soft_wrap=True)
            return earlier
        return train_probe(settings, prepared, earlier, self.console)

    def _prepare(self, number: int) -> Prepared:
        if number not in self._prepared:
            stages = console_stages(self.console)
            self._prepared[number] = prepare_checked(self.folds[number], self.settings, stages)
        return self._prepared[number]

    def judged(self) -> str:
        """On whom the probes were judged, or why there were none."""
        if not self.folds:
            return (
                "One labelled patient trains and none validates: no organ on the way could be tested, and all are kept."
            )
        patients = sum(len(checked.split.validation) for checked in self.folds)
        start = f"Probes of {self.length()} ({', '.join(self.settings.strategy)}) are judged on"
        if len(self.folds) == 1:
            return f"{start} {count_text(patients, 'validation patient')} of the target."
        return (
            f"{start} {patients} labelled training patients in {len(self.folds)} folds, since no patient validates; "
            "organs on the way may have learned from their scans, with labels of their own."
        )

    def length(self) -> str:
        """How long a probe takes, in words."""
        train = probe_settings(self.settings, (), "", self.steps, self.share).train
        return f"{train.epochs:g} epochs" if train.epochs else f"{train.steps} steps"


def probe_folds(checked: Checked) -> tuple[Checked, ...]:
    """Who trains and who is held out in probes: the validation patients, or folds of the labelled training patients.

    Two folds, of fewer than four patients one each; nothing where a lone patient would be both. Nobody is tested.
    """
    split = checked.split
    if split.validation:
        return (replace(checked, split=replace(split, test=())),)
    count = len(split.train)
    folds = count if count < _ALL_LEFT_OUT_ONCE else 2
    return tuple(replace(checked, split=_fold(split, number, folds)) for number in range(folds if count > 1 else 0))


def _fold(split: SplitPlan, number: int, folds: int) -> SplitPlan:
    held_out = split.train[number::folds]
    train = tuple(patient for patient in split.train if patient not in held_out)
    how = f"{split.how}; fold {number + 1} of {folds} of the training patients held out"
    return replace(split, train=train, validation=held_out, test=(), how=how)


def probe_settings(
    settings: Settings, sources: Sequence[str], name: str, steps: int | None, share: int = SHARE
) -> Settings:
    """The target's settings for a probe: fewer steps, scored once, at the end, since the best of many flatters."""
    wished, train = steps or settings.transfer.probe_steps, settings.train
    budget = train.time_budget_min
    length: dict[str, Any] = {"time_budget_min": None if budget is None else budget / share}
    if wished is not None:
        length = {"steps": wished, "epochs": None, "time_budget_min": None}
    elif train.epochs is not None:
        length["epochs"] = train.epochs / share
    else:
        length["steps"] = max(1, (train.steps or 1000) // share)
    return changed(
        starting_from(settings, sources),
        transfer={"guard": True},
        train={**length, "validations": 1, "patience": None, "tensorboard": False},
        prepare={"cache": str(cache_folder(settings))},
        runs={"folder": str(Path(settings.runs.folder) / FOLDER), "name": name},
    )


def train_probe(settings: Settings, prepared: Prepared, earlier: Run | None, console: Console) -> Run:
    """Train a probe, or go on with an interrupted one; its scores stay, its weights do not."""
    if settings.train.threads is not None:
        torch.set_num_threads(settings.train.threads)
    origins, stages = find_origins(settings), console_stages(console)
    settings = fitted_to_labels(settings, origins, prepared.checked.split)
    source = source_cases(origins, prepared.plan, settings, stages) if needs_source_scans(settings) else []
    torch.manual_seed(settings.train.seed)
    network, weights = start_network(settings, prepared.plan, origins)
    training = make_training(settings, prepared, network, weights, origins, source)
    with opened(settings, earlier, console) as (run, resumed):
        open_run(run, training, prepared, origins, resumed=resumed)
        note_verb(run, PROBE)
        with noted_end(run):
            progress = run_loop(run, training, console)
            note_training(run, training, progress)
            note_results(run, {"patient_dice": held_out_dice(training, progress)})
        _finish(run)
    return run


def held_out_dice(training: Training, progress: Progress) -> dict[str, float]:
    """Patient to Dice at the end, mean over organs, of the network that the validation chose."""
    network = training.candidates[progress.best_of or next(iter(training.candidates))]
    with validation_memory(training):
        found = patient_dice(network, training.validation, training.plan, training.inference, training.ranks)
    return {patient: fmean(dice.values()) for patient, dice in found.items() if dice}


@by_first("ending the probe")
def _finish(run: Run) -> None:
    """Scores stay, weights do not."""
    run.change_manifest(state="finished")
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    for path in (run.model, run.last):
        path.unlink(missing_ok=True)


def refuse_probe(run: Run) -> None:
    """Raise UsageError for a run that only the transfer it belongs to can go on with."""
    if run.manifest().verb == PROBE:
        raise UsageError(
            found=f"the probe {run.name}", expected="a run with a model of its own",
            fix="give the command of its transfer again: what is finished is used, this probe goes on",
            path=run.folder, code="probe",
        )  # fmt: skip
