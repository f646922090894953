"""The label files of a folder, whatever made them: label maps, a mask file per structure, or pictures of slices."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seg.config import Data
from seg.data.discover import contents, find_data
from seg.data.listing import NIFTI_ENDINGS, PICTURE_ENDINGS, list_folder, list_nested, natural_key, split_ending
from seg.data.naming import NamePattern, read_pattern
from seg.errors import DataError
from seg.records import Case, DataSet

LABEL_TABLE = "labels.json"
_SUFFIX = re.compile(r"(.+)_(?:labels?|seg|segmentation|mask)", re.DOTALL)
_NO_CASES = ("probabilities",)
_NO_DATA_ROOT = ("format-unknown", "format-ambiguous", "no-cases", "root-empty")


@dataclass(frozen=True)
class LabelFolder:
    """What lies in a folder of labels, by name without ending and without `_label`, `_seg`, `_mask`."""

    root: Path
    maps: dict[str, Path] = field(default_factory=dict)
    """Case to NIfTI label map."""
    masks: dict[str, dict[str, Path]] = field(default_factory=dict)
    """Case to structure to NIfTI mask: `{case}/{structure}.nii.gz` or `{case}/segmentations/{structure}.nii.gz`."""
    pictures: dict[str, Path] = field(default_factory=dict)
    """Slice, such as `liver1_07`, to picture."""
    label_values: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """What `labels.json` says; empty without one."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every case or slice that has files."""
        return (*self.maps, *self.masks, *self.pictures)


def read_label_folder(root: Path, settings: Data) -> LabelFolder:
    """List `root`, which may also be a single file; no voxels are read.

    Raises:
        DataError: nothing is there, two files have one name, or `labels.json` is no table of label values.
    """
    if not root.exists():
        raise DataError(
            found="no such file or folder", expected="a folder of label files", fix="correct the path",
            path=root, code="labels-missing",
        )  # fmt: skip
    if root.is_file():
        return _of_files(root.parent, [root], [root], {})
    listing = list_folder(root)
    pictures = list_nested(root, read_pattern(settings.patient_pattern).depth).files
    masks = {folder.name: found for folder in listing.folders if (found := _masks(folder))}
    return _of_files(root, listing.files, pictures, masks)


def _of_files(
    root: Path, files: Iterable[Path], pictures: Iterable[Path], masks: dict[str, dict[str, Path]]
) -> LabelFolder:
    return LabelFolder(
        root=root,
        maps=_by_name(files, NIFTI_ENDINGS, root),
        masks=masks,
        pictures=_by_name(pictures, PICTURE_ENDINGS, root),
        label_values=_label_table(root / LABEL_TABLE),
    )


def _masks(folder: Path) -> dict[str, Path]:
    if folder.name in _NO_CASES:
        return {}
    inner = folder / "segmentations"
    place = inner if inner.is_dir() else folder
    return _by_name(list_folder(place).files, NIFTI_ENDINGS, place)


def _by_name(paths: Iterable[Path], endings: tuple[str, ...], folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if not path.name.lower().endswith(endings):
            continue
        name = plain_name(path.relative_to(folder).as_posix())
        if name in found:
            raise DataError(
                found=f"{found[name].name} and {path.name}", expected="one label file per name",
                fix="remove one of them", path=folder, code="two-files-one-name",
            )  # fmt: skip
        found[name] = path
    return found


def plain_name(name: str) -> str:
    """A file name without its ending and without what marks it as a label: `a_seg.nii.gz` becomes `a`."""
    stem = split_ending(name, (*NIFTI_ENDINGS, *PICTURE_ENDINGS))[0]
    match = _SUFFIX.fullmatch(stem)
    return match[1] if match else stem


def _label_table(path: Path) -> dict[str, tuple[int, ...]]:
    if not path.exists():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        values = {str(name): int(value) for name, value in table.items()}
        if min(values.values(), default=1) < 1 or len(set(values.values())) < len(values):
            raise ValueError("values are not different numbers from 1 on")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            found=" ".join(str(error).split()), expected='a table of label values, such as {"liver": 1}',
            fix="mend the table, or remove it and name the organ", path=path, code="labels-json",
        ) from None  # fmt: skip
    return {name: (value,) for name, value in values.items()}


def reference_data(root: Path, settings: Data) -> DataSet:
    """The labelled cases at `root`: those of a data set in any layout, else those of a plain folder of label files.

    Raises:
        DataError: there are no labels at all.
    """
    try:
        data_set = find_data(root, settings)
    except DataError as error:
        if settings.format != "auto" or error.code not in _NO_DATA_ROOT:
            raise
        data_set = None
    if data_set is not None and data_set.labelled:
        return data_set
    plain = _as_data_set(read_label_folder(root, settings), settings)
    if not plain.cases:
        raise DataError(
            found=contents(root), expected="label files, or a data set with labels", fix="correct the path",
            path=root, code="no-labels",
        )  # fmt: skip
    return plain


def _as_data_set(folder: LabelFolder, settings: Data) -> DataSet:
    maps = [Case(name, name, "volume", (), {"": (str(path),)}) for name, path in folder.maps.items()]
    masks = [
        Case(name, name, "volume", (), {mask: (str(path),) for mask, path in found.items()})
        for name, found in folder.masks.items()
    ]
    slices = _slice_cases(folder, read_pattern(settings.patient_pattern))
    return DataSet(str(folder.root), "labels", (*maps, *masks, *slices), label_values=folder.label_values)


def _slice_cases(folder: LabelFolder, pattern: NamePattern) -> list[Case]:
    """One case per patient; a name that does not fit the pattern is its own patient."""
    patients: dict[str, dict[str, Path]] = defaultdict(dict)
    for name, path in folder.pictures.items():
        patient, slice_name = pattern.parse(name) or (name, "")
        patients[patient][slice_name] = path
    return [
        Case(patient, patient, "slices", (), {"": tuple(str(found[name]) for name in names)}, tuple(names))
        for patient, found in patients.items()
        if (names := sorted(found, key=natural_key))
    ]
