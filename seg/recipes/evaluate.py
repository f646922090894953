"""`seg evaluate`: predicted masks beside reference masks, any two folders."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seg.atomic import write_text
from seg.config import Settings
from seg.errors import DataError
from seg.evaluate.compared import Compared, what_is_compared
from seg.evaluate.label_folder import read_label_folder, reference_data
from seg.evaluate.metrics.masks import DistanceUnit
from seg.evaluate.pairs import Pairing, pair_up
from seg.evaluate.score import metrics_by_name, summarise
from seg.evaluate.score_files import FileScores, score_files
from seg.overrides import to_yaml
from seg.progress import Progress, silent
from seg.records import DataSet, Evaluation, to_json
from seg.report.html import write_report
from seg.report.page import Page
from seg.report.tables import cases_csv
from seg.runs import versions

_SHOWN = 5


def evaluate(
    prediction: Path,
    reference: Path,
    output: Path,
    settings: Settings,
    organs_given: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Score predicted against reference masks; writes cases.csv, evaluation.json and report.html into `output`.

    `prediction` holds label maps `{case}.nii.gz`, mask files `{case}/{structure}.nii.gz` or pictures, and maybe
    `labels.json`; `reference` is such a folder or a data set in any layout; both may be single files. `organs_given`
    says whether `settings.organ` was asked for: without it the organs follow from the names on either side, or every
    label value is compared. A missing prediction counts with the worst values.

    Raises:
        DataError: nothing to compare; or, after all other cases were scored and everything was written, files that
            are broken or on another grid than their reference. Such predictions count as missing, cases whose
            reference is broken are left out.
        UsageError: an unknown metric or organ.
    """
    metrics_by_name(settings.evaluate.metrics)
    predicted = read_label_folder(prediction, settings.data)
    data_set = reference_data(reference, settings.data)
    pairing = pair_up(predicted, data_set, settings.data, same=prediction.is_file() and reference.is_file())
    compared, assumed = what_is_compared(predicted, data_set, pairing.pairs, settings, organs_given)
    found = []
    for done, pair in enumerate(pairing.pairs, start=1):
        found.append(score_files(pair, compared, settings, data_set.ignore_value))
        progress(done, len(pairing.pairs), pair.case.name)
    problems = [(pair.case.name, item.problem) for pair, item in zip(pairing.pairs, found, strict=True) if item.problem]
    if problems and not any(item.scores for item in found):
        raise problems[0][1]
    notes = (*pairing.notes, *assumed, *(f"{name}: {problem}" for name, problem in problems))
    evaluation = replace(_summary(found, compared, _unit(pairing, settings), settings), notes=notes)
    _write(evaluation, compared, data_set, predicted.root, output, settings)
    if problems:
        raise _problems(problems, output)
    return evaluation


def _summary(
    found: Sequence[FileScores], compared: Sequence[Compared], unit: DistanceUnit, settings: Settings
) -> Evaluation:
    return summarise(
        [score for item in found for score in item.scores],
        settings.evaluate.metrics,
        settings.evaluate.bootstrap_samples,
        unit,
        {organ.organ: organ.tolerance_mm for organ in compared},
    )


def _unit(pairing: Pairing, settings: Settings) -> DistanceUnit:
    """Pixels where pictures are compared whose pixel size nobody told."""
    if settings.data.spacing_mm is not None:
        return "mm"
    kinds = {pair.of_pictures for pair in pairing.pairs}
    if len(kinds) > 1:
        raise DataError(
            found="NIfTI files and pictures of unknown pixel size", expected="distances in one unit",
            fix="evaluate them apart, or give the pictures' pixel size with data.spacing_mm", code="units-differ",
        )  # fmt: skip
    return "px" if kinds == {True} else "mm"


def _problems(problems: Sequence[tuple[str, DataError]], output: Path) -> DataError:
    listed = "; ".join(f"{name}: {problem.found}" for name, problem in problems[:_SHOWN])
    first = problems[0][1]
    return DataError(
        found=f"{len(problems)} cases with files that cannot be used ({listed})",
        expected=first.expected,
        fix=f"{first.fix}, then evaluate again; until then they count as missing in {output}",
        path=first.path,
        code=first.code,
    )


def _write(
    evaluation: Evaluation,
    compared: Sequence[Compared],
    reference: DataSet,
    prediction: Path,
    output: Path,
    settings: Settings,
) -> None:
    write_text(output / "cases.csv", cases_csv(evaluation, settings.evaluate.show_names))
    write_text(output / "evaluation.json", to_json(evaluation))
    patients = {score.patient for score in evaluation.cases}
    page = Page(
        title=f"{', '.join(organ.title for organ in compared[:_SHOWN])}: predictions against references",
        organ_titles={organ.organ: organ.title for organ in compared},
        evaluation=evaluation,
        data_facts=(
            ("Patients", str(len(patients))),
            ("Cases", str(len({score.case for score in evaluation.cases}))),
            ("Predictions", str(prediction)),
            ("References", f"{reference.root} ({reference.format})"),
        ),
        notes=(*evaluation.notes, *reference.tolerated),
        settings_yaml=to_yaml(settings),
        versions=versions(),
        show_names=settings.evaluate.show_names,
    )
    write_report(output / "report.html", page)
