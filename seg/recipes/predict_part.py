"""Cases predicted one after the other, by this process or as a job of another one."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from seg.atomic import write_text
from seg.config import Settings
from seg.data.volume import read_image
from seg.errors import SegError
from seg.evaluate.predict import Probabilities
from seg.knobs import merge
from seg.overrides import parse_words, split_lists, validate
from seg.recipes.stages import console_stages
from seg.recipes.trained import Trained, load_trained, predict_labels
from seg.recipes.written import prediction_files, write_prediction, write_probabilities
from seg.records import Case, Finding
from seg.runs import Run


def predict_part(run: Path, words: Sequence[str], cases: Sequence[Case], output: Path, failed_file: Path) -> None:
    """Predict cases that are claimed on the card already, and note the failed ones in `failed_file`.

    What is there is not done again.
    """
    settings = predict_settings(Run(run), words)
    trained, listener, failed = load_trained(Run(run), settings), console_stages(Console())("predicting"), []
    for number, case in enumerate(cases):
        if not is_predicted(case, output):
            try:
                predict_one(trained, case, settings, output)
            except (SegError, MemoryError) as error:
                failed.append(asdict(as_finding(case, error)))
        listener(number + 1, len(cases), case.name)
    write_text(failed_file, json.dumps(failed))


def is_predicted(case: Case, output: Path) -> bool:
    """Whether all files of the case are there."""
    return all(file.exists() for file in prediction_files(output, case))


def predict_settings(run: Run, words: Sequence[str]) -> Settings:
    """The run's settings with what the words say; the data set's own layout and names are found anew."""
    own = run.settings().model_dump(mode="json")
    data = {"format": "auto", "root": "", "labels": {}}
    return validate(merge(merge(own, {"data": data}), split_lists(parse_words(words))))


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
