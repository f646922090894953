"""NIfTI images and label maps told apart by folder or by name."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seg.config import Data
from seg.data.formats.layout import Layout
from seg.data.listing import NIFTI_ENDINGS, list_folder, split_ending, strangers
from seg.data.pairing import IMAGE_FOLDER, UNLABELLED_FOLDERS, by_stem, common_ending, label_folder
from seg.records import Case, DataSet

_LABEL_SUFFIX = re.compile(r"(.+)_(?:label|labels|seg|segmentation|mask)")
_CHANNEL_SUFFIX = re.compile(r"(.+)_([0-9]{4})")
_MOST_CHANNELS = 8


@dataclass(frozen=True)
class _Files:
    """Stem to path; a label's stem is its image's."""

    images: dict[str, Path]
    labels: dict[str, Path] = field(default_factory=dict)
    unlabelled: dict[str, Path] = field(default_factory=dict)
    tolerated: tuple[str, ...] = ()


def recognise(root: Path) -> bool:
    """NIfTI files in `images/` or an unlabelled folder, loose ones that no declaration describes, or one file."""
    if root.is_file():
        return root.name.lower().endswith(NIFTI_ENDINGS)
    if _has_folders(root):
        return True
    described = (root / "dataset.json").exists() or (root / "segmentations").is_dir()
    return bool(list_folder(root).ending(*NIFTI_ENDINGS)) and not described


def _has_folders(root: Path) -> bool:
    return any(list_folder(root / name).ending(*NIFTI_ENDINGS) for name in (IMAGE_FOLDER, *UNLABELLED_FOLDERS))


def find(root: Path, settings: Data) -> DataSet:
    """One case per image, or per group of `_0000`, `_0001` channels; every case is its own patient."""
    if root.is_file():
        name = split_ending(root.name, NIFTI_ENDINGS)[0]
        case = Case(name, name, "volume", ((str(root),),))
        return DataSet(str(root.parent), "nifti", (case,))
    files = _in_folders(root) if _has_folders(root) else _loose(root)
    grouped = _channels(files)
    words = ("names that end in _0000 were read as channels",) if grouped else ()
    count = max((number for _, number in map(_split_channel, (*files.images, *files.unlabelled))), default=0) + 1
    cases = _cases(files.images, files.labels, count if grouped else 0)
    more = _cases(files.unlabelled, {}, count if grouped else 0)
    names = {case.name for case in cases}
    return DataSet(
        root=str(root),
        format="nifti",
        cases=(*cases, *more),
        tolerated=files.tolerated + words,
        orphans=tuple(str(path) for stem, path in files.labels.items() if stem not in names),
    )


def _in_folders(root: Path) -> _Files:
    labels_at = label_folder(root)
    listings = {folder: list_folder(folder) for folder in (root / IMAGE_FOLDER, labels_at)}
    listings |= {root / name: list_folder(root / name) for name in UNLABELLED_FOLDERS}
    stems = {folder: by_stem(found.ending(*NIFTI_ENDINGS), folder, NIFTI_ENDINGS) for folder, found in listings.items()}
    images, labels = stems.pop(root / IMAGE_FOLDER), stems.pop(labels_at)
    cases = {*images, *(_split_channel(stem)[0] for stem in images)}
    named = {stem if stem in cases else _without_suffix(stem): path for stem, path in labels.items()}
    words = [word for folder, found in listings.items() for word in strangers(found, NIFTI_ENDINGS, folder.name)]
    unlabelled = {stem: path for found in stems.values() for stem, path in found.items()}
    return _Files(images, named, unlabelled, tuple(words))


def _loose(root: Path) -> _Files:
    listing = list_folder(root)
    stems = by_stem(listing.ending(*NIFTI_ENDINGS), root, NIFTI_ENDINGS)
    labels = {_without_suffix(stem): path for stem, path in stems.items() if _LABEL_SUFFIX.fullmatch(stem)}
    images = {stem: path for stem, path in stems.items() if not _LABEL_SUFFIX.fullmatch(stem)}
    words = strangers(listing, NIFTI_ENDINGS, root.name)
    return _Files(images, labels, {}, words) if images else _Files(stems, tolerated=words)


def _without_suffix(stem: str) -> str:
    match = _LABEL_SUFFIX.fullmatch(stem)
    return match[1] if match else stem


def _split_channel(stem: str) -> tuple[str, int]:
    match = _CHANNEL_SUFFIX.fullmatch(stem)
    return (match[1], int(match[2])) if match else (stem, 0)


def _channels(files: _Files) -> bool:
    """Whether `_0000` counts channels: all images end so, from 0 to a small number, and no label carries it."""
    stems = (*files.images, *files.unlabelled)
    numbers = {_split_channel(stem)[1] for stem in stems}
    suffixed = all(_CHANNEL_SUFFIX.fullmatch(stem) for stem in stems)
    return suffixed and 0 in numbers and max(numbers) < _MOST_CHANNELS and not set(files.labels) & set(stems)


def _cases(images: Mapping[str, Path], labels: Mapping[str, Path], channels: int) -> list[Case]:
    """`channels` is 0 where every file is a case; else a channel that is missing is named all the same."""
    groups: dict[str, dict[int, Path]] = defaultdict(dict)
    for stem, path in images.items():
        name, number = _split_channel(stem) if channels else (stem, 0)
        groups[name][number] = path
    return [_case(name, found, labels, range(max(channels, 1))) for name, found in groups.items()]


def _case(name: str, found: Mapping[int, Path], labels: Mapping[str, Path], numbers: Collection[int]) -> Case:
    folder = next(iter(found.values())).parent
    ending = common_ending(found.values(), NIFTI_ENDINGS)
    files = tuple((str(found.get(number, folder / f"{name}_{number:04d}{ending}")),) for number in numbers)
    return Case(name, name, "volume", files, {"": (str(labels[name]),)} if name in labels else {})


LAYOUT = Layout(
    title="NIfTI images and label maps",
    looks_like="images/ and labels/ with the same names, or case.nii.gz beside case_seg.nii.gz, or scans alone",
    recognise=recognise,
    find=find,
)
