"""From the files of one case to its scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from seg.config import Settings
from seg.data.organs import OrganSource, label_files, organ_mask
from seg.errors import DataError
from seg.evaluate.compared import Compared
from seg.evaluate.label_stack import LabelStack, check_grids, read_slices_like, read_stack
from seg.evaluate.pairs import Pair
from seg.evaluate.score import missing_score, score_masks
from seg.records import CaseScore


@dataclass(frozen=True)
class FileScores:
    """The scores of one case, and what was wrong with its files."""

    scores: tuple[CaseScore, ...]
    """Empty where the reference cannot be used."""
    problem: DataError | None = None


def score_files(
    pair: Pair, compared: Sequence[Compared], settings: Settings, ignore_value: int | None = None
) -> FileScores:
    """Read both sides of a case and score every organ.

    A prediction that is missing, broken or on another grid counts as missing: with the worst values, so that no mean
    gets better because a file is bad. A broken reference gives no score. Bad data do not raise.
    """
    try:
        reference = _read_reference(pair, compared, settings)
    except DataError as error:
        return FileScores((), error)
    problem, prediction = None, None
    try:
        prediction = _read_prediction(pair, compared, reference, settings)
    except DataError as error:
        problem = error
    scores = [_score(pair, organ, prediction, reference, settings, ignore_value) for organ in compared]
    return FileScores(tuple(scores), problem)


def _read_reference(pair: Pair, compared: Sequence[Compared], settings: Settings) -> LabelStack:
    try:
        needed = {name: path for organ in compared for name, path in label_files(pair.case, organ.reference).items()}
    except DataError as error:
        raise DataError(
            found=error.found, expected=error.expected, fix=error.fix, path=pair.case.name, code=error.code
        ) from None
    return read_stack(needed, settings.data)


def _read_prediction(
    pair: Pair, compared: Sequence[Compared], reference: LabelStack, settings: Settings
) -> LabelStack | None:
    if pair.missing:
        return None
    if reference.grid is None:
        return read_slices_like(pair.prediction[""], reference, pair.case.labels[""])
    used = {name for organ in compared for name in _files(organ.prediction, pair)}
    files = {name: [path for path in paths if path] for name, paths in pair.prediction.items() if name in used}
    if not files:
        return None
    path, expected = files[min(files)][0], next(iter(pair.case.labels.values()))[0]
    stack = read_stack(files, settings.data)
    if stack.grid is None:
        raise DataError(
            found="a picture", expected=f"a NIfTI file, as {expected} is one", fix="compare files of one kind",
            path=path, code="kinds-differ",
        )  # fmt: skip
    check_grids(stack.grid, str(path), reference.grid, expected)
    return stack


def _files(source: OrganSource, pair: Pair) -> tuple[str, ...]:
    """The predicted files that make an organ; none where one of them is missing."""
    if source.values:
        return ("",) if "" in pair.prediction else ()
    if any(name not in pair.prediction for name in source.files):
        return ()
    return (*source.files, *(name for name in source.joined_files if name in pair.prediction))


def _score(
    pair: Pair,
    organ: Compared,
    prediction: LabelStack | None,
    reference: LabelStack,
    settings: Settings,
    ignore_value: int | None,
) -> CaseScore:
    case, metrics = pair.case, settings.evaluate.metrics
    spacing_mm = reference.spacing_mm(settings.data)
    contiguous = case.kind == "volume"
    truth = organ_mask(reference.arrays, organ.reference)
    valid = reference.arrays[""] != ignore_value if ignore_value is not None and "" in reference.arrays else None
    if prediction is None or not _files(organ.prediction, pair):
        return missing_score(
            case.name, case.patient, organ.organ, truth, spacing_mm, metrics, organ.tolerance_mm, valid,
            contiguous=contiguous,
        )  # fmt: skip
    return score_masks(
        case.name, case.patient, organ.organ, organ_mask(prediction.arrays, organ.prediction), truth, spacing_mm,
        metrics, organ.tolerance_mm, valid, contiguous=contiguous,
    )  # fmt: skip
