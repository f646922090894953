"""Which prediction belongs to which reference: by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from seg.config import Data
from seg.data.naming import read_pattern
from seg.errors import DataError
from seg.evaluate.label_folder import LabelFolder, plain_name
from seg.records import Case, DataSet

_SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """A reference case and the prediction files that carry its name."""

    case: Case
    """Reference labels in `labels`."""
    prediction: dict[str, tuple[Path | None, ...]]
    """As `Case.labels`; None for a slice without a prediction, empty where the whole prediction is missing."""

    @property
    def missing(self) -> bool:
        """True where there is no prediction at all."""
        return not any(path for files in self.prediction.values() for path in files)

    @property
    def of_pictures(self) -> bool:
        """True where the reference is pictures, not NIfTI."""
        return _of_pictures(self.case)


@dataclass(frozen=True)
class Pairing:
    """All reference cases, each with its prediction or without, and the predictions nobody asked for."""

    pairs: tuple[Pair, ...]
    without_reference: tuple[str, ...]
    """Names of predictions that belong to no reference."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing on either side, in words for a report."""
        lost = [pair.case.name for pair in self.pairs if pair.missing]
        slices = sum(path is None for pair in self.pairs for files in pair.prediction.values() for path in files)
        sentences = (
            (lost, f"{len(lost)} cases have no prediction and count with the worst value: {_some(lost)}"),
            (slices, f"{slices} slices have no prediction and count as empty predictions"),
            (self.without_reference,
             f"{len(self.without_reference)} predictions have no reference and were left out: "
             f"{_some(self.without_reference)}"),
        )  # fmt: skip
        return tuple(sentence for found, sentence in sentences if found)


def pair_up(prediction: LabelFolder, reference: DataSet, settings: Data, same: bool = False) -> Pairing:
    """Match every labelled reference case with the prediction of its name.

    A case is looked for under its own name, the name of its label file and the name of its image; a slice likewise.
    `same=True` pairs two single files whatever their names.

    Raises:
        DataError: not one prediction belongs to a reference (`no-pairs`).
    """
    used: set[str] = set()
    pairs = [_pair(case, prediction, settings, used) for case in reference.labelled]
    if same and len(pairs) == 1 and len(prediction.names) == 1:
        used.update(prediction.names)
        pairs = [Pair(pairs[0].case, {"": (*prediction.maps.values(), *prediction.pictures.values())})]
    if not used:
        raise DataError(
            found=f"no prediction for any of the {len(pairs)} reference cases; predictions are named "
            f"{_some(prediction.names) or 'nothing'}, references {_some([pair.case.name for pair in pairs])}",
            expected="predictions and references of the same names",
            fix="give the two folders that belong together, or rename the files",
            path=prediction.root, code="no-pairs",
        )  # fmt: skip
    return Pairing(tuple(pairs), tuple(name for name in prediction.names if name not in used))


def _pair(case: Case, prediction: LabelFolder, settings: Data, used: set[str]) -> Pair:
    found: dict[str, tuple[Path | None, ...]] = {}
    if _of_pictures(case):
        slices = [_first(names, prediction.pictures) for names in _slice_names(case, settings)]
        used.update(name for name in slices if name is not None)
        found = {"": tuple(None if name is None else prediction.pictures[name] for name in slices)}
    elif (name := _first(_case_names(case), prediction.maps)) is not None:
        used.add(name)
        found = {"": (prediction.maps[name],)}
    elif (name := _first(_case_names(case), prediction.masks)) is not None:
        used.add(name)
        found = {mask: (path,) for mask, path in prediction.masks[name].items()}
    return Pair(case, found)


def _of_pictures(case: Case) -> bool:
    return not next(iter(case.labels.values()))[0].lower().endswith((".nii", ".nii.gz"))


def _case_names(case: Case) -> list[str]:
    maps = [plain_name(Path(file).name) for file in case.labels.get("", ())]
    images = [plain_name(Path(files[0]).name) for files in case.channels[:1]] if "" in case.labels else []
    return [case.name, *maps, *images]


def _slice_names(case: Case, settings: Data) -> list[list[str]]:
    depth = read_pattern(settings.patient_pattern).depth
    groups: Sequence[Sequence[str]] = [case.labels[""], *case.channels[:1]]
    names = [[plain_name("/".join(PurePath(file).parts[-1 - depth :])) for file in files] for files in groups]
    flat = [[plain_name(PurePath(file).name) for file in files] for files in groups]
    return [list(candidates) for candidates in zip(*names, *flat, strict=True)]


def _first(names: Sequence[str], known: dict[str, Path] | dict[str, dict[str, Path]]) -> str | None:
    return next((name for name in names if name in known), None)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
