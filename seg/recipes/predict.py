"""`seg predict`: masks of new scans on their own grid, by a finished run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seg.atomic import write_text
from seg.config import Settings
from seg.data.discover import find_data
from seg.data.volume import read_image
from seg.errors import SegError, UsageError
from seg.evaluate.predict import Probabilities
from seg.overrides import merge, parse_words, split_lists, validate
from seg.recipes.bookkeeping import sha256
from seg.recipes.stages import console_stages
from seg.recipes.trained import Trained, load_trained, predict_labels
from seg.recipes.written import prediction_files, write_label_table, write_prediction, write_probabilities
from seg.records import Case, Finding
from seg.runs import Run, find_run

_CARD = "predictions.json"


@dataclass(frozen=True)
class PredictOutcome:
    """What became of the cases."""

    done: int
    skipped: int
    """Cases whose prediction by this very model lay in the output already."""
    failed: tuple[Finding, ...]
    """Cases that could not be predicted; the others are done."""


def predict(
    run: Path | str, source: Path, output: Path, words: Sequence[str] = (), console: Console | None = None
) -> PredictOutcome:
    """Predict every case under `source`, in any layout; what an earlier call finished is skipped.

    `words` override settings of the run, such as predict.flips=left_right or data.format=nifti.
    """
    console = console or Console()
    trained_run = find_run(str(run), Path(validate(split_lists(parse_words(words))).runs.folder))
    settings = predict_settings(trained_run, words)
    data_set = find_data(source, settings.data)
    refuse_other_model(trained_run, settings, output)
    trained = load_trained(trained_run, settings)
    write_label_table(output, trained.plan.organs, trained.plan.organ_values)

    listener = console_stages(console)("predicting")
    done, skipped, failed = 0, 0, []
    for number, case in enumerate(data_set.cases):
        if all(file.exists() for file in prediction_files(output, case)):
            skipped += 1
        else:
            try:
                predict_one(trained, case, settings, output)
                done += 1
            except (SegError, MemoryError) as error:
                failed.append(as_finding(case, error))
        listener(number + 1, len(data_set.cases), case.name)
    return PredictOutcome(done, skipped, tuple(failed))


def predict_settings(run: Run, words: Sequence[str]) -> Settings:
    """The run's settings with what the words say; the data set's own layout and names are found anew."""
    own = run.settings().model_dump(mode="json")
    data = {"format": "auto", "root": "", "labels": {}}
    return validate(merge(merge(own, {"data": data}), split_lists(parse_words(words))))


def refuse_other_model(run: Run, settings: Settings, output: Path) -> None:
    """Note which model predicts into `output`; UsageError where another model or other settings did before."""
    card = {"run": run.name, "model_sha256": sha256(run.model), "predict": settings.predict.model_dump(mode="json")}
    path = output / _CARD
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != card:
            raise UsageError(
                found=f"predictions of {found.get('run', 'another run')} with other weights or settings",
                expected="an empty folder, or predictions of this very model",
                fix="choose another output folder", path=output, code="other-predictions",
            )  # fmt: skip
    write_text(path, json.dumps(card, indent=2))


def predict_one(trained: Trained, case: Case, settings: Settings, output: Path) -> None:
    """Read, predict and write one case."""
    image = read_image(case, settings.data)
    wanted: list[Probabilities] | None = [] if settings.predict.probabilities else None
    labels = predict_labels(trained, image, wanted)
    if wanted is not None:
        write_probabilities(output, case, image, wanted, trained.plan.organs)
    write_prediction(output, case, image, labels)


def as_finding(case: Case, error: SegError | MemoryError) -> Finding:
    """A failed case as a row of the closing table."""
    path = case.channels[0][0]
    if isinstance(error, SegError):
        return Finding("error", error.code, error.path or path, error.found, error.expected, error.fix)
    return Finding("error", "no-memory", path, "too little memory", "room for the whole scan", "use a larger machine")
