"""Folders of 2D pictures: `images/` and `labels/`, a patient's slices told by their names."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from seg.config import Data
from seg.data.formats.layout import Layout
from seg.data.listing import NIFTI_ENDINGS, PICTURE_ENDINGS, Listing, list_folder, list_nested, natural_key, strangers
from seg.data.naming import NamePattern, read_pattern
from seg.data.pairing import IMAGE_FOLDER, UNLABELLED_FOLDERS, by_stem, common_ending, label_folder
from seg.records import Case, DataSet

_DEEPEST = 2
Slices = dict[str, dict[str, tuple[str, Path]]]
"""Patient to slice name to (stem, path)."""


def recognise(root: Path) -> bool:
    """Pictures in `images/` or one of the unlabelled folders, a folder of nothing but pictures, or one picture."""
    if root.is_file():
        return root.name.lower().endswith(PICTURE_ENDINGS)
    if any(_has_pictures(root / name, _DEEPEST) for name in (IMAGE_FOLDER, *UNLABELLED_FOLDERS)):
        return True
    listing = list_folder(root)
    return bool(listing.ending(*PICTURE_ENDINGS)) and not listing.folders and not listing.ending(*NIFTI_ENDINGS)


def _has_pictures(folder: Path, depth: int) -> bool:
    listing = list_folder(folder)
    if listing.ending(*PICTURE_ENDINGS):
        return True
    return depth > 0 and any(_has_pictures(inner, depth - 1) for inner in listing.folders)


def find(root: Path, settings: Data) -> DataSet:
    """One case per patient.

    A patient with at least one label file is labelled; where it lacks others, their paths are named all the same, so
    that the check reports them as missing.
    """
    pattern = read_pattern(settings.patient_pattern)
    if root.is_file():
        return _find_loose(root.parent, Listing(files=(root,)), pattern)
    if not any(_has_pictures(root / name, _DEEPEST) for name in (IMAGE_FOLDER, *UNLABELLED_FOLDERS)):
        return _find_loose(root, list_folder(root), pattern)
    return _find_folders(root, pattern)


def _find_folders(root: Path, pattern: NamePattern) -> DataSet:
    labels_at = label_folder(root)
    listings = {
        folder: list_nested(folder, pattern.depth)
        for folder in (root / IMAGE_FOLDER, labels_at, *(root / name for name in UNLABELLED_FOLDERS))
    }
    stems = {
        folder: by_stem(found.ending(*PICTURE_ENDINGS), folder, PICTURE_ENDINGS) for folder, found in listings.items()
    }
    images, labels = stems.pop(root / IMAGE_FOLDER), stems.pop(labels_at)
    slices, misnamed = _by_patient(images, pattern)
    cases = [_case(patient, found, labels, labels_at) for patient, found in slices.items()]
    for unlabelled in stems.values():
        more, bad = _by_patient(unlabelled, pattern)
        misnamed += bad
        cases += [_unlabelled(patient, found, taken=patient in slices) for patient, found in more.items()]
    words = [word for folder, found in listings.items() for word in strangers(found, PICTURE_ENDINGS, folder.name)]
    return DataSet(
        root=str(root),
        format="pictures",
        cases=tuple(cases),
        tolerated=tuple(words),
        orphans=tuple(str(path) for stem, path in labels.items() if stem not in images),
        misnamed=tuple(misnamed),
    )


def _find_loose(root: Path, listing: Listing, pattern: NamePattern) -> DataSet:
    """Pictures without folders around them are unlabelled; a name that does not fit the pattern is its own patient."""
    slices: Slices = defaultdict(dict)
    for stem, path in by_stem(listing.ending(*PICTURE_ENDINGS), root, PICTURE_ENDINGS).items():
        patient, slice_name = pattern.parse(stem) or (stem, "")
        slices[patient][slice_name] = (stem, path)
    cases = tuple(_unlabelled(patient, found, taken=False) for patient, found in slices.items())
    return DataSet(str(root), "pictures", cases, tolerated=strangers(listing, PICTURE_ENDINGS, root.name))


def _by_patient(images: Mapping[str, Path], pattern: NamePattern) -> tuple[Slices, list[str]]:
    slices: Slices = defaultdict(dict)
    misnamed = []
    for stem, path in images.items():
        parsed = pattern.parse(stem)
        if parsed is None:
            misnamed.append(str(path))
        else:
            slices[parsed[0]][parsed[1]] = (stem, path)
    return slices, misnamed


def _case(patient: str, slices: dict[str, tuple[str, Path]], labels: Mapping[str, Path], labels_at: Path) -> Case:
    names = sorted(slices, key=natural_key)
    stems = [slices[name][0] for name in names]
    own = [labels[stem] for stem in stems if stem in labels]
    if not own:
        return _unlabelled(patient, slices, taken=False)
    ending = common_ending(own, PICTURE_ENDINGS)
    files = tuple(str(labels.get(stem, labels_at / f"{stem}{ending}")) for stem in stems)
    images = tuple(str(slices[name][1]) for name in names)
    return Case(patient, patient, "slices", (images,), {"": files}, tuple(names))


def _unlabelled(patient: str, slices: dict[str, tuple[str, Path]], *, taken: bool) -> Case:
    names = sorted(slices, key=natural_key)
    images = tuple(str(slices[name][1]) for name in names)
    return Case(f"{patient}-unlabelled" if taken else patient, patient, "slices", (images,), {}, tuple(names))


LAYOUT = Layout(
    title="folders of pictures",
    looks_like="images/{patient}_{slice}.png|jpg|tif, labels/ (or masks/) with the same names, unlabelled/ if any",
    recognise=recognise,
    find=find,
)
