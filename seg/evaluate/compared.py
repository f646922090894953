"""What is compared, and from which label values or mask files it comes on either side."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg.config import Data, Organ, Settings
from seg.data.organs import OrganSource, mask_names, normalise, organ_sources
from seg.errors import DataError
from seg.evaluate.label_folder import LabelFolder
from seg.evaluate.label_stack import read_stack
from seg.evaluate.pairs import Pair
from seg.overrides import config_names, load_organ
from seg.records import Case, DataSet


@dataclass(frozen=True)
class Compared:
    """One organ and how its masks are made."""

    organ: str
    title: str
    tolerance_mm: float
    reference: OrganSource
    prediction: OrganSource


@dataclass(frozen=True)
class _Sides:
    prediction: LabelFolder
    reference: DataSet
    pairs: tuple[Pair, ...]
    settings: Settings


def what_is_compared(
    prediction: LabelFolder, reference: DataSet, pairs: Sequence[Pair], settings: Settings, organs_given: bool
) -> tuple[tuple[Compared, ...], tuple[str, ...]]:
    """The organs, and notes on what was taken for granted.

    The organs of the settings where they were given, else the names of the predictions (`labels.json` or mask files),
    else the names of the reference, else every label value as `label 1`, `label 2`, ...

    The reference's labels follow from `data.labels`, then its own names, then a single value, then the values of
    `labels.json`. A predicted label map follows from `labels.json`, then `data.labels`, then the organ's own value,
    then the values of the reference, then its only value.

    Raises:
        DataError: an organ cannot be found on one side.
    """
    sides = _Sides(prediction, reference, tuple(pairs), settings)
    organs = [load_organ(name) for name in settings.organ] if organs_given else _named(sides)
    if not organs:
        return _by_value(sides), ()
    notes: list[str] = []
    references = _reference_sources(sides, organs, notes)
    predictions = _prediction_sources(sides, organs, references, notes)
    return tuple(
        Compared(organ.name, organ.title or organ.name, _tolerance(organ, settings), ours, theirs)
        for organ, ours, theirs in zip(organs, references, predictions, strict=True)
    ), tuple(notes)


def _tolerance(organ: Organ, settings: Settings) -> float:
    return settings.evaluate.nsd_tolerance_mm or organ.nsd_tolerance_mm


def _named(sides: _Sides) -> list[Organ]:
    """The organs that names speak of; none where neither side has names."""
    own = tuple(sides.prediction.label_values) or _predicted_masks(sides)
    if own:
        known = set(config_names("organ"))
        return [load_organ(name) if name in known else Organ(name=name, label_names=(name,)) for name in own]
    declared = (*sides.reference.label_values, *mask_names(sides.reference))
    return [_as_declared(name) for name in declared]


def _as_declared(name: str) -> Organ:
    """Exactly that label, with the tolerance of the organ that it names."""
    key = normalise(name)
    tolerance = load_organ(key).nsd_tolerance_mm if key in config_names("organ") else Organ().nsd_tolerance_mm
    return Organ(name=name, label_names=(name,), nsd_tolerance_mm=tolerance)


def _predicted_masks(sides: _Sides) -> tuple[str, ...]:
    """Structures with a predicted file that the reference can have, too."""
    found = {name for pair in sides.pairs for name in pair.prediction} - {""}
    referred = set(mask_names(sides.reference)) or set(sides.reference.label_values) or found
    return tuple(sorted(found & referred))


def _by_value(sides: _Sides) -> tuple[Compared, ...]:
    values = sorted({*_reference_values(sides), *_predicted_values(sides)})
    if not values:
        _refuse_no_labels(sides)
    tolerance = _tolerance(Organ(), sides.settings)
    sources = [OrganSource(f"label {value}", (value,), ()) for value in values]
    return tuple(Compared(source.organ, source.organ, tolerance, source, source) for source in sources)


def _refuse_no_labels(sides: _Sides) -> None:
    """Raise what is wrong with the first file that cannot be read, else that there is nothing to compare."""
    for pair in sides.pairs:
        read_stack(pair.case.labels, sides.settings.data)
    raise DataError(
        found="label files without a single label", expected="label values other than 0",
        fix="check that these are label files", path=sides.reference.root, code="nothing-compared",
    )  # fmt: skip


def _reference_sources(sides: _Sides, organs: Sequence[Organ], notes: list[str]) -> list[OrganSource]:
    data, labels = sides.reference, sides.settings.data
    unnamed = [organ.name for organ in organs if organ.name not in labels.labels]
    if data.label_values or mask_names(data) or not unnamed:
        return list(organ_sources(data, organs, labels))
    found = _reference_values(sides)
    single = len(organs) == 1 and len(found) == 1
    if not single and all(name in sides.prediction.label_values for name in unnamed):
        notes.append(
            "The reference does not name its label values; they were read as labels.json of the predictions says."
        )
        table = {**sides.prediction.label_values, **labels.labels}
        return [OrganSource(organ.name, table[organ.name], ()) for organ in organs]
    return list(organ_sources(data, organs, labels, found))


def _prediction_sources(
    sides: _Sides, organs: Sequence[Organ], references: Sequence[OrganSource], notes: list[str]
) -> list[OrganSource]:
    if masks := {name for pair in sides.pairs for name in pair.prediction} - {""}:
        return list(organ_sources(_of_masks(sides.prediction, masks), organs, Data()))
    sources: list[OrganSource] = []
    for organ, source in zip(organs, references, strict=True):
        values = _declared_value(sides, organ) or _guessed_value(sides, organs, source)
        if organ.name not in sides.prediction.label_values:
            words = ", ".join(map(str, values))
            notes.append(f"The predictions do not name their label values; {words} was read as {organ.name}.")
        sources.append(OrganSource(organ.name, values, ()))
    return sources


def _declared_value(sides: _Sides, organ: Organ) -> tuple[int, ...]:
    own = sides.prediction.label_values.get(organ.name) or sides.settings.data.labels.get(organ.name)
    return own or (() if organ.value is None else (organ.value,))


def _guessed_value(sides: _Sides, organs: Sequence[Organ], reference: OrganSource) -> tuple[int, ...]:
    """The values of the reference; for one organ, where the predictions hold none of these, their only value."""
    found = _predicted_values(sides)
    if reference.values and (set(reference.values) & set(found) or len(organs) > 1 or len(found) != 1):
        return reference.values
    place = [organ.name for organ in organs].index(reference.organ)
    return organ_sources(_of_masks(sides.prediction, ()), organs, Data(), found)[place].values


def _of_masks(folder: LabelFolder, masks: Collection[str]) -> DataSet:
    """The predictions as a data set whose names `organ_sources` can search."""
    labels: dict[str, tuple[str, ...]] = {name: (str(folder.root),) for name in sorted(masks)}
    return DataSet(str(folder.root), "labels", (Case("", "", "volume", (), labels),))


def _reference_values(sides: _Sides) -> tuple[int, ...]:
    files = [path for pair in sides.pairs for path in pair.case.labels.get("", ())]
    return _values(files, sides.settings.data, sides.reference.ignore_value)


def _predicted_values(sides: _Sides) -> tuple[int, ...]:
    files = [path for pair in sides.pairs for path in pair.prediction.get("", ()) if path]
    return _values(files, sides.settings.data, None)


def _values(files: Iterable[str | Path], settings: Data, ignore_value: int | None) -> tuple[int, ...]:
    """Every label value but 0 in those files; a broken one is passed over here and reported when it is compared."""
    found: set[int] = set()
    for path in files:
        try:
            array = read_stack({"": [path]}, settings).arrays[""]
        except DataError:
            continue
        found.update(int(value) for value in np.unique(array))
    return tuple(sorted(found - {0, ignore_value}))
