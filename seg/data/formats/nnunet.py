"""nnU-Net's raw layout, version 2: `imagesTr/{case}_{channel}`, `labelsTr/{case}`, `dataset.json`."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg.config import Data
from seg.data.dataset_json import NAME, channel_names, declares, entry, label_table, listed_file, read_declaration
from seg.data.formats.layout import Layout
from seg.data.listing import NIFTI_ENDINGS, PICTURE_ENDINGS, list_folder, strangers
from seg.data.naming import NamePattern, read_pattern
from seg.data.pairing import by_stem
from seg.errors import DataError
from seg.records import Case, DataSet

_CHANNEL_SUFFIX = re.compile(r"(.+)_([0-9]{4})", re.DOTALL)
_UNLABELLED_FOLDERS = ("imagesTs", "imagesUn")
Channels = dict[str, dict[int, Path]]
"""Case to channel number to path."""


@dataclass(frozen=True)
class _Naming:
    """What every file of the data set is named after."""

    ending: str
    channels: int
    pattern: NamePattern


def recognise(root: Path) -> bool:
    """A `dataset.json` that names its channels."""
    return declares(root, "channel_names")


def find(root: Path, settings: Data) -> DataSet:
    """One case per name in `imagesTr`; without a label there it is unlabelled, as all of `imagesTs` are.

    A region such as `"whole": [1, 2]` becomes a label name of several values. A channel that is missing is named all
    the same, so that the check reports it. Pictures (`.png`, `.tif`) are cases of one slice, and belong to the patient
    `data.patient_pattern` finds in their name.

    Raises:
        DataError: a declaration that is not as it should be, or a path that leaves the root.
    """
    declaration = read_declaration(root / NAME)
    channels = channel_names(declaration, "channel_names", root / NAME)
    label_values, ignored = label_table(declaration, root / NAME)
    naming = _Naming(_ending(declaration, root), len(channels), read_pattern(settings.patient_pattern))
    images, misnamed = _by_case(root / "imagesTr", naming)
    labels = by_stem(list_folder(root / "labelsTr").ending(naming.ending), root / "labelsTr", (naming.ending,))
    listed_images, listed_labels = _listed(declaration, root, len(channels))
    images |= listed_images
    labels |= listed_labels
    cases = [_case(name, found, labels, naming) for name, found in images.items()]
    for folder in _UNLABELLED_FOLDERS:
        more, bad = _by_case(root / folder, naming)
        cases += [_case(name, found, {}, naming) for name, found in more.items()]
        misnamed += bad
    return DataSet(
        root=str(root),
        format="nnunet",
        cases=tuple(cases),
        label_values=label_values,
        ignore_value=ignored,
        channel_names=channels,
        tolerated=_tolerated(declaration, root, cases, naming.ending),
        orphans=tuple(str(path) for name, path in labels.items() if name not in images),
        misnamed=tuple(misnamed),
    )


def _ending(declaration: Mapping[str, Any], root: Path) -> str:
    known = (*NIFTI_ENDINGS, *PICTURE_ENDINGS)
    ending = declaration.get("file_ending")
    if not isinstance(ending, str) or ending.lower() not in known:
        raise DataError(
            found=f"file_ending {ending!r:.40}", expected=f"one of {', '.join(known)}",
            fix="convert the files, or correct file_ending", path=root / NAME, code="file-ending",
        )  # fmt: skip
    return ending.lower()


def _by_case(folder: Path, naming: _Naming) -> tuple[Channels, list[str]]:
    """The images of a folder, and those whose channel number is missing or not declared."""
    found: Channels = defaultdict(dict)
    misnamed = []
    for stem, path in by_stem(list_folder(folder).ending(naming.ending), folder, (naming.ending,)).items():
        match = _CHANNEL_SUFFIX.fullmatch(stem)
        if match and int(match[2]) < naming.channels:
            found[match[1]][int(match[2])] = path
        else:
            misnamed.append(str(path))
    return found, misnamed


def _listed(declaration: dict[str, Any], root: Path, channels: int) -> tuple[Channels, dict[str, Path]]:
    """Images and labels of `"dataset": {case: {"images": [...], "label": ...}}`, which may lie anywhere in the root."""
    images: Channels = {}
    labels: dict[str, Path] = {}
    table = entry({"dataset": {}, **declaration}, "dataset", dict, root / NAME)
    for name in table:
        item = entry(table, name, dict, root / NAME)
        _refuse_path_name(name, root)
        files = entry(item, "images", list, root / NAME)
        if len(files) != channels:
            raise DataError(
                found=f"{len(files)} images for {name!r:.80}", expected=f"{channels}, as in channel_names",
                fix=f"mend {NAME}", path=root / NAME, code="json-channels",
            )  # fmt: skip
        images[name] = {number: listed_file(text, root, root / NAME) for number, text in enumerate(files)}
        if "label" in item:
            labels[name] = listed_file(item["label"], root, root / NAME)
    return images, labels


def _refuse_path_name(name: str, root: Path) -> None:
    if not name or "/" in name or "\\" in name or "\0" in name or name.startswith("."):
        raise DataError(
            found=f"a case named {name!r:.80}", expected="a name that can be a file's", fix=f"mend {NAME}",
            path=root / NAME, code="path-escape",
        )  # fmt: skip


def _case(name: str, found: Mapping[int, Path], labels: Mapping[str, Path], naming: _Naming) -> Case:
    folder = next(iter(found.values())).parent
    missing = (folder / f"{name}_{number:04d}{naming.ending}" for number in range(naming.channels))
    files = tuple((str(found.get(number, path)),) for number, path in enumerate(missing))
    label: dict[str, tuple[str, ...]] = {"": (str(labels[name]),)} if name in labels else {}
    if naming.ending in NIFTI_ENDINGS:
        return Case(name, name, "volume", files, label)
    patient, slice_name = naming.pattern.parse(name) or (name, "")
    return Case(name, patient, "slices", files, label, (slice_name,))


def _tolerated(declaration: Mapping[str, Any], root: Path, cases: list[Case], ending: str) -> tuple[str, ...]:
    folders = [root / name for name in ("imagesTr", "labelsTr", *_UNLABELLED_FOLDERS)]
    words = [word for folder in folders for word in strangers(list_folder(folder), (ending,), folder.name)]
    count = sum(case.labelled for case in cases)
    said = declaration.get("numTraining", count)
    if said != count:
        words.append(f"{NAME} counts {said!r:.20} training cases, {count} have labels")
    if not list_folder(root / "labelsTs").empty:
        words.append("labelsTs left alone: test cases stay unlabelled")
    return tuple(words)


LAYOUT = Layout(
    title="nnU-Net raw, version 2",
    looks_like='dataset.json with "channel_names", imagesTr/{case}_0000.nii.gz, labelsTr/{case}.nii.gz',
    recognise=recognise,
    find=find,
)
