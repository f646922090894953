"""The Medical Segmentation Decathlon: `dataset.json` lists training and test files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seg.config import Data
from seg.data.dataset_json import NAME, channel_names, declares, entry, label_table, listed_file, read_declaration
from seg.data.formats.layout import Layout
from seg.data.listing import NIFTI_ENDINGS, list_folder, split_ending
from seg.errors import DataError
from seg.records import Case, DataSet

_LABELLED_LISTS = ("training", "validation")


def recognise(root: Path) -> bool:
    """A `dataset.json` that lists its training files."""
    return declares(root, "training") and not declares(root, "channel_names")


def find(root: Path, settings: Data) -> DataSet:
    """One case per listed file, its own patient; files under `test` are unlabelled.

    Raises:
        DataError: a declaration that is not as it should be, a path that leaves the root, a file that is listed twice,
            or several modalities in one 4D file.
    """
    path = root / NAME
    declaration = read_declaration(path)
    channels = channel_names(declaration, "modality", path) if "modality" in declaration else ()
    label_values, ignored = label_table(declaration, path)
    entries = [item for key in _LABELLED_LISTS for item in entry({key: [], **declaration}, key, list, path)]
    cases = [_case(item, root, channels) for item in entries]
    cases += [
        _case(_image_only(item), root, channels) for item in entry({"test": [], **declaration}, "test", list, path)
    ]
    listed = _refuse_twice(cases, path)
    orphans, words = _unlisted(root, cases, listed)
    return DataSet(
        root=str(root),
        format="decathlon",
        cases=tuple(cases),
        label_values=label_values,
        ignore_value=ignored,
        channel_names=channels,
        tolerated=words,
        orphans=orphans,
    )


def _image_only(item: Any) -> Any:
    return {"image": item["image"]} if isinstance(item, dict) and "image" in item else {"image": item}


def _case(item: Any, root: Path, channels: tuple[str, ...]) -> Case:
    """A case of an entry `{"image": file or list of files, "label": file}`."""
    image = entry(item if isinstance(item, dict) else {"image": item}, "image", object, root / NAME)
    files = [listed_file(text, root, root / NAME) for text in (image if isinstance(image, list) else [image])]
    if len(files) == 1:
        files = _numbered(files[0], max(len(channels), 1)) or files
    if len(files) != max(len(channels), 1) and (channels or not files):
        raise DataError(
            found=f"{len(channels)} modalities and {len(files)} file for {image!s:.80}",
            expected="one 3D file per modality; 4D files that hold several are not read",
            fix='write each modality to its own file and list them: "image": ["a_t1.nii.gz", "a_t2.nii.gz"]',
            path=root / NAME, code="decathlon-4d",
        )  # fmt: skip
    name = split_ending(files[0].name, NIFTI_ENDINGS)[0].removesuffix("_0000")
    label = item.get("label") if isinstance(item, dict) else None
    labels: dict[str, tuple[str, ...]] = {} if label is None else {"": (str(listed_file(label, root, root / NAME)),)}
    return Case(name, name, "volume", tuple((str(file),) for file in files), labels)


def _numbered(file: Path, count: int) -> list[Path]:
    """`a_0000.nii.gz`, ... where `a.nii.gz` is listed and only these exist, as nnU-Net's first version had it."""
    stem, ending = split_ending(file.name, NIFTI_ENDINGS)
    numbered = [file.with_name(f"{stem}_{number:04d}{ending}") for number in range(count)]
    return numbered if numbered[0].exists() and not file.exists() else []


def _refuse_twice(cases: Iterable[Case], path: Path) -> set[str]:
    seen: set[str] = set()
    for case in cases:
        for file in [files[0] for files in (*case.channels, *case.labels.values())]:
            if file in seen:
                raise DataError(
                    found=f"{Path(file).name} listed twice", expected="every file once",
                    fix=f"remove one of the entries from {path.name}", path=path, code="listed-twice",
                )  # fmt: skip
            seen.add(file)
    return seen


def _unlisted(root: Path, cases: Iterable[Case], listed: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(labels that lie beside listed ones without being listed, sentences on images and `._` files left alone)."""
    cases = list(cases)
    label_folders = {Path(files[0]).parent for case in cases for files in case.labels.values()}
    image_folders = {Path(files[0]).parent for case in cases for files in case.channels}
    words, orphans = [], []
    for folder in sorted(label_folders | image_folders):
        listing = list_folder(folder)
        extra = [str(path) for path in listing.ending(*NIFTI_ENDINGS) if str(path) not in listed]
        if folder not in image_folders:
            orphans += extra
        elif extra:
            words.append(f"{folder.name}: {len(extra)} files not listed in {NAME} left alone ({Path(extra[0]).name})")
        if listing.apple_doubles:
            words.append(f"{folder.name}: {listing.apple_doubles} macOS `._` files left alone")
    return tuple(orphans), tuple(words)


LAYOUT = Layout(
    title="Medical Segmentation Decathlon",
    looks_like='dataset.json with "training": [{"image": ..., "label": ...}], "labels", and the files it lists',
    recognise=recognise,
    find=find,
)
