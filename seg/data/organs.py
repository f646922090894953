"""Which label values, or which mask files, make each organ of a data set."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seg.config import Data, Organ
from seg.errors import DataError, UsageError, nearest
from seg.overrides import config_names
from seg.records import Case, DataSet
from seg.types import AnyArray, MaskVolume


@dataclass(frozen=True)
class OrganSource:
    """Where one organ comes from: label values of a label map, or mask files."""

    organ: str
    values: tuple[int, ...]
    """Label values that are united; empty where masks are files."""
    files: tuple[str, ...]
    """Mask names (keys of `Case.labels`) that are united and every case must have; empty where labels are values."""
    joined_files: tuple[str, ...] = ()
    """Mask names that are united as well in the cases that have them, such as cysts."""


def organ_sources(
    data_set: DataSet, organs: Sequence[Organ], settings: Data, found_values: Sequence[int] = ()
) -> tuple[OrganSource, ...]:
    """One source per organ, in the order of `organs`.

    `data.labels` decides first, then the names the data set declares (label table or mask files), and where it
    declares none, the only non-zero value of `found_values` is the only organ asked for.

    Raises:
        DataError: an organ is not among the names (`organ-not-found`), values have no names (`labels-unnamed`), or a
            joined name could belong to another organ (`joined-unclear`); each proposes a `data.labels`.
        UsageError: `data.labels` names no organ or no possible value.
    """
    _refuse_bad_labels(data_set, organs, settings)
    names = mask_names(data_set)
    if names:
        return tuple(_from_files(organ, names, data_set) for organ in organs)
    return tuple(_from_values(organ, organs, data_set, settings, found_values) for organ in organs)


def sources_without_labels(data_set: DataSet, organs: Sequence[Organ], settings: Data) -> tuple[OrganSource, ...]:
    """Sources of organs where no case has labels: the values that predictions are to carry, and nothing to read.

    `data.labels` decides first, then the names that the data set declares; unless they name every organ, all are
    numbered. Raises UsageError where `data.labels` names no organ or no possible value.
    """
    _refuse_bad_labels(data_set, organs, settings)
    named = [_named_values(organ, data_set, settings) for organ in organs]
    values = named if all(named) else [(number,) for number, _ in enumerate(organs, start=1)]
    return tuple(OrganSource(organ.name, own, ()) for organ, own in zip(organs, values, strict=True))


def overlapping(sources: Sequence[OrganSource]) -> tuple[str, ...]:
    """A sentence per pair of organs that share label values or masks; a prediction gives each pixel to one organ."""
    return tuple(
        f"{one.organ} and {other.organ} share labels, but a predicted pixel belongs to one organ only: "
        "neither can reach a Dice of 1 where they overlap."
        for number, one in enumerate(sources)
        for other in sources[number + 1 :]
        if set(one.values) & set(other.values) or set(one.files) & set(other.files)
    )


def organ_mask(label_arrays: Mapping[str, AnyArray], source: OrganSource) -> MaskVolume:
    """True inside the organ; `label_arrays` has the keys of `Case.labels`, all arrays of one shape.

    Raises:
        DataError: a mask file that makes the organ is not there (`mask-missing`).
    """
    if source.values:
        inside: MaskVolume = np.isin(label_arrays[""], source.values)
        return inside
    present = _present(label_arrays, source)
    united = np.zeros(label_arrays[present[0]].shape, dtype=np.bool_)
    for name in present:
        united |= label_arrays[name] != 0
    return united


def label_files(case: Case, source: OrganSource) -> dict[str, tuple[str, ...]]:
    """The part of `case.labels` that makes the organ; a labelled case without its mask raises DataError."""
    names = ("",) if source.values else _present(case.labels, source)
    return {name: case.labels[name] for name in names}


def prediction_values(organs: Sequence[Organ], sources: Sequence[OrganSource]) -> tuple[int, ...]:
    """The label value each organ has in predictions; where two would share one, all are numbered 1, 2, ... instead."""
    values = tuple(
        value_of(organ, source, index) for index, (organ, source) in enumerate(zip(organs, sources, strict=True))
    )
    return values if len(set(values)) == len(values) else tuple(range(1, len(values) + 1))


def value_of(organ: Organ, source: OrganSource, index: int) -> int:
    """The organ's own value, else the first the data use for it, else `index` + 1; may clash between organs."""
    if organ.value is not None:
        return organ.value
    return source.values[0] if source.values else index + 1


def mask_names(data_set: DataSet) -> tuple[str, ...]:
    """Sorted names of mask files over all cases; empty where labels are label maps."""
    return tuple(sorted({name for case in data_set.cases for name in case.labels} - {""}))


def normalise(name: str) -> str:
    """Lower case with `_` for everything that is neither letter nor digit: `Left Kidney` becomes `left_kidney`."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def _present(available: Collection[str], source: OrganSource) -> tuple[str, ...]:
    missing = [name for name in source.files if name not in available]
    if missing:
        raise DataError(
            found=f"no mask {', '.join(missing)}", expected=f"a mask of each structure that makes {source.organ}",
            fix="add the mask (an empty one where there is none of it), or remove all masks of the case",
            code="mask-missing",
        )  # fmt: skip
    return source.files + tuple(name for name in source.joined_files if name in available)


def _from_files(organ: Organ, names: Sequence[str], data_set: DataSet) -> OrganSource:
    main = _matching(names, organ.label_names)
    if not main:
        raise _not_found(organ, names, data_set, "add its mask name to label_names of the organ's file")
    joined = _matching(names, organ.joined_names)
    own = [name for name in joined if not _is_generic(name) or set(names) <= {*main, *joined}]
    return OrganSource(organ.name, (), tuple(main), tuple(own))


def _from_values(
    organ: Organ, organs: Sequence[Organ], data_set: DataSet, settings: Data, found_values: Sequence[int]
) -> OrganSource:
    if organ.name in settings.labels:
        return OrganSource(organ.name, tuple(sorted(set(settings.labels[organ.name]))), ())
    if data_set.label_values:
        return OrganSource(organ.name, _declared_values(organ, data_set), ())
    found = sorted(set(found_values) - {0, data_set.ignore_value})
    if len(organs) == 1 and len(found) == 1:
        return OrganSource(organ.name, (found[0],), ())
    asked = ", ".join(item.name for item in organs)
    raise DataError(
        found=f"label values {', '.join(map(str, found))} without names" if found else "no label value other than 0",
        expected=f"names, or one value, for {asked}",
        fix=f"say which value is which, such as {_proposal(organs, found)}",
        path=data_set.root, code="labels-unnamed",
    )  # fmt: skip


def _named_values(organ: Organ, data_set: DataSet, settings: Data) -> tuple[int, ...]:
    table = data_set.label_values
    declared = {value for name in _matching(table, organ.label_names) for value in table[name]}
    return tuple(sorted(set(settings.labels.get(organ.name, declared))))


def _declared_values(organ: Organ, data_set: DataSet) -> tuple[int, ...]:
    table = data_set.label_values
    main = _matching(table, organ.label_names)
    if not main:
        value = table[_closest(organ, table)]
        raise _not_found(organ, table, data_set, f"name its values, such as {_labels_word(organ.name, value)}")
    joined = _matching(table, organ.joined_names)
    unclear = [name for name in joined if _is_generic(name)]
    own = sorted({value for name in main for value in table[name]})
    united = sorted({value for name in (*main, *joined) for value in table[name]})
    if unclear and not set(table) <= {*main, *joined}:
        raise DataError(
            found=f"label {unclear[0]!r} beside labels of other organs ({', '.join(table)})",
            expected=f"a decision whether it belongs to {organ.name}",
            fix=f"{_labels_word(organ.name, united)} unites them, {_labels_word(organ.name, own)} leaves it out",
            path=data_set.root, code="joined-unclear",
        )  # fmt: skip
    return tuple(united)


def _matching(names: Collection[str], wanted: Collection[str]) -> list[str]:
    keys = {normalise(name) for name in wanted}
    return [name for name in names if normalise(name) in keys]


def _is_generic(name: str) -> bool:
    """`tumour` can be in any organ; `liver_tumour` says where it is."""
    return "_" not in normalise(name)


def _not_found(organ: Organ, names: Collection[str], data_set: DataSet, fix: str) -> DataError:
    return DataError(
        found=f"labels {', '.join(sorted(names))}",
        expected=f"one of {', '.join(organ.label_names) or organ.name} for organ {organ.name}",
        fix=f"{fix}.{nearest(organ.name, [normalise(name) for name in names])}",
        path=data_set.root, code="organ-not-found",
    )  # fmt: skip


def _closest(organ: Organ, names: Collection[str]) -> str:
    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, organ.name, normalise(name)).ratio()

    return max(sorted(names), key=likeness)


def _proposal(organs: Sequence[Organ], found: Sequence[int]) -> str:
    pairs = [f"{organ.name}:[{found[i] if i < len(found) else i + 1}]" for i, organ in enumerate(organs)]
    return f"data.labels={{{','.join(pairs)}}}"


def _labels_word(organ: str, values: Sequence[int]) -> str:
    return f"data.labels={{{organ}:[{','.join(map(str, values))}]}}"


def _refuse_bad_labels(data_set: DataSet, organs: Sequence[Organ], settings: Data) -> None:
    chosen = [organ.name for organ in organs]
    known = {*chosen, *config_names("organ")}
    for name, values in settings.labels.items():
        if name not in known:
            raise UsageError(
                found=f"data.labels for {name!r}", expected=f"an organ, such as {', '.join(chosen)}",
                fix=f"correct the name.{nearest(name, known)}", code="labels-organ",
            )  # fmt: skip
        if not values or min(values) < 1 or data_set.ignore_value in values:
            raise UsageError(
                found=f"{_labels_word(name, values)}", expected="label values from 1 on, without the ignored one",
                fix="name the values of the organ", code="labels-value",
            )  # fmt: skip
    if mask_names(data_set) and set(settings.labels) & set(chosen):
        raise UsageError(
            found="data.labels for a data set with one mask file per structure", expected="mask names, not values",
            fix="leave out data.labels; label_names of the organ's file say which masks make it", code="labels-masks",
        )  # fmt: skip
