"""`seg predict`: masks of new scans on their own grid, by a finished run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from seg.atomic import write_text
from seg.config import Settings
from seg.data.dataset_json import entry, read_declaration
from seg.data.discover import find_data
from seg.digest import file_sha256
from seg.errors import DataError, SegError, UsageError
from seg.launch.launcher import HERE, open_launcher
from seg.overrides import parse_words, split_lists, validate
from seg.recipes.cohort import LOGS, Cohort
from seg.recipes.predict_part import as_finding, predict_one, predict_settings
from seg.recipes.stages import console_stages
from seg.recipes.trained import Trained, load_trained
from seg.recipes.written import LABEL_TABLE, prediction_files, write_label_table
from seg.records import Case, Finding
from seg.runs import Run, find_run

_CARD = "predictions.json"


@dataclass(frozen=True)
class PredictOutcome:
    """What became of the cases."""

    done: int
    skipped: int
    """Cases whose prediction by this very model, from the same bytes, lay in the output already."""
    failed: tuple[Finding, ...]
    """Cases that could not be predicted; the others are done."""


def predict(
    run: Path | str, source: Path, output: Path, words: Sequence[str] = (), console: Console | None = None, *,
    launcher: str = HERE, workers: int = 1,
) -> PredictOutcome:  # fmt: skip
    """Predict every case under `source`, in any layout; what an earlier call finished is skipped.

    `words` override settings of the run, such as predict.flips=left_right or data.format=nifti. Another launcher than
    this process divides the cases into `workers` parts, which are predicted at the same time.
    """
    console = console or Console()
    trained_run = find_run(str(run), Path(validate(split_lists(parse_words(words))).runs.folder))
    settings = predict_settings(trained_run, words)
    data_set = find_data(source, settings.data)
    refuse_same_folder(source, output)
    elsewhere = None if launcher == HERE else open_launcher(launcher, workers, output / LOGS)
    card = open_card(trained_run, settings, output)
    # What is wrong with the model is said once, not by every job; the device is left to them.
    trained = load_trained(trained_run, settings if elsewhere is None else _on_cpu(settings))
    write_label_table(output, trained.plan.organs, trained.plan.organ_values)
    if elsewhere is None:
        return _predict_here(trained, data_set.cases, settings, card, output, console)
    cases, skipped, refused = _claimed(data_set.cases, card, output)
    cohort = Cohort(trained_run.folder, tuple(words), output)
    failed = cohort.predict(cases, elsewhere, workers, console)
    return PredictOutcome(len(cases) - len(failed), skipped, (*refused, *failed))


def _on_cpu(settings: Settings) -> Settings:
    return settings.model_copy(update={"train": settings.train.model_copy(update={"device": "cpu"})})


def _predict_here(
    trained: Trained, cases: Sequence[Case], settings: Settings, card: dict[str, Any], output: Path, console: Console
) -> PredictOutcome:
    listener = console_stages(console)("predicting")
    done, skipped, failed = 0, 0, []
    for number, case in enumerate(cases):
        try:
            if claim(case, card, output):
                predict_one(trained, case, settings, output)
                done += 1
            else:
                skipped += 1
        except (SegError, MemoryError) as error:
            failed.append(as_finding(case, error))
        listener(number + 1, len(cases), case.name)
    return PredictOutcome(done, skipped, tuple(failed))


def _claimed(cases: Sequence[Case], card: dict[str, Any], output: Path) -> tuple[list[Case], int, list[Finding]]:
    """Cases to be predicted, how many are finished, and those that must not be: one process alone writes the card."""
    wanted, refused = [], []
    for case in cases:
        try:
            if claim(case, card, output):
                wanted.append(case)
        except SegError as error:
            refused.append(as_finding(case, error))
    return wanted, len(cases) - len(wanted) - len(refused), refused


def refuse_same_folder(source: Path, output: Path) -> None:
    """UsageError where masks would lie among the scans, and be taken for scans or labels the next time."""
    if source.exists() and output.exists() and source.samefile(output):
        raise UsageError(
            found="one folder for the scans and for their masks", expected="a folder of its own for the masks",
            fix="choose another output folder", path=output, code="output-is-input",
        )  # fmt: skip


def open_card(run: Run, settings: Settings, output: Path) -> dict[str, Any]:
    """Note which model predicts into `output`; UsageError where another model or other settings did before.

    `scans` of the card says by their content which scans the masks belong to.
    """
    predict = settings.predict.model_dump(mode="json", exclude={"batch_size"})
    reading = settings.data.model_dump(mode="json", include={"spacing_mm", "trust", "nan_to"})
    card = {"run": run.name, "model_sha256": file_sha256(run.model), "predict": predict, "data": reading}
    path = output / _CARD
    scans: dict[str, str] = {}
    if path.exists():
        found = read_declaration(path)
        scans = entry(found, "scans", dict, path)
        if {**found, "scans": {}} != {**card, "scans": {}}:
            raise UsageError(
                found=f"predictions of {found.get('run', 'another run')} with other weights or settings",
                expected="an empty folder, or predictions of this very model",
                fix="choose another output folder", path=output, code="other-predictions",
            )  # fmt: skip
    elif (output / LABEL_TABLE).exists():
        raise UsageError(
            found=f"{LABEL_TABLE} of other masks", expected="an empty folder, or predictions of this very model",
            fix="choose another output folder", path=output, code="other-predictions",
        )  # fmt: skip
    card["scans"] = scans
    write_text(path, json.dumps(card, indent=2))
    return card


def claim(case: Case, card: dict[str, Any], output: Path) -> bool:
    """Whether the case is still to be predicted; the card then says so before its first file is written.

    Raises DataError where a file of that name belongs to something else: it is neither counted nor replaced.
    """
    files, content = prediction_files(output, case), _content(case)
    known = card["scans"].get(case.name)
    if known == content:
        return not all(file.exists() for file in files)
    if lying := [file for file in files if file.exists()]:
        what = "a mask of another scan of this name" if known else "a file that no prediction of this model wrote"
        raise DataError(
            found=what, expected="a free place for the mask", fix="choose another output folder, or remove the file",
            path=lying[0], code="prediction-in-the-way",
        )  # fmt: skip
    card["scans"][case.name] = content
    write_text(output / _CARD, json.dumps(card, indent=2))
    return True


def _content(case: Case) -> str:
    """A hash of the bytes of all its files; a file that is not there has none, and is reported when it is read."""
    files = [Path(file) for channel in case.channels for file in channel]
    return hashlib.sha256("".join(file_sha256(file) if file.is_file() else "-" for file in files).encode()).hexdigest()
