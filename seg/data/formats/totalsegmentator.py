"""TotalSegmentator's layout: a folder per case, a mask file per structure."""

from pathlib import Path

from seg.config import Data
from seg.data.formats.layout import Layout
from seg.data.listing import NIFTI_ENDINGS, list_folder, split_ending, strangers
from seg.data.pairing import by_stem
from seg.errors import DataError
from seg.records import Case, DataSet

_IMAGES = {"ct": "CT", "mri": "MR"}
_MASKS = "segmentations"


def recognise(root: Path) -> bool:
    """A folder below the root has `ct.nii.gz` or `mri.nii.gz`; or the root is such a case with its masks."""
    return _is_lone_case(root) or any(_images(folder) for folder in list_folder(root).folders)


def _is_lone_case(root: Path) -> bool:
    return (root / _MASKS).is_dir() and bool(_images(root))


def _images(folder: Path) -> dict[str, Path]:
    listing = list_folder(folder)
    found = by_stem(listing.ending(*NIFTI_ENDINGS), folder, NIFTI_ENDINGS)
    return {stem: path for stem, path in found.items() if stem in _IMAGES}


def find(root: Path, settings: Data) -> DataSet:
    """One case per folder with an image, its own patient; without masks it is unlabelled.

    Raises:
        DataError: CT and MR in one case (`two-images`), or in one data set without a word on how to read both
            (`mixed-modality`).
    """
    folders = (root,) if _is_lone_case(root) else list_folder(root).folders
    with_image = [folder for folder in folders if _images(folder)]
    cases = tuple(_case(folder) for folder in with_image)
    words = [
        word for folder in with_image for word in strangers(list_folder(folder / _MASKS), NIFTI_ENDINGS, folder.name)
    ]
    others = [folder.name for folder in folders if folder not in with_image]
    if others:
        words.append(f"{len(others)} folders without ct.nii.gz or mri.nii.gz left alone (such as {others[0]})")
    return DataSet(
        root=str(root),
        format="totalsegmentator",
        cases=cases,
        channel_names=_channel_names(root, cases, settings),
        tolerated=tuple(words),
    )


def _case(folder: Path) -> Case:
    images = _images(folder)
    if len(images) > 1:
        raise DataError(
            found=" and ".join(path.name for path in images.values()), expected="one image per case",
            fix="give each its own folder", path=folder, code="two-images",
        )  # fmt: skip
    path = next(iter(images.values()))
    masks = folder / _MASKS
    labels: dict[str, tuple[str, ...]] = {
        stem: (str(file),)
        for stem, file in by_stem(list_folder(masks).ending(*NIFTI_ENDINGS), masks, NIFTI_ENDINGS).items()
    }
    return Case(folder.name, folder.name, "volume", ((str(path),),), labels)


def _channel_names(root: Path, cases: tuple[Case, ...], settings: Data) -> tuple[str, ...]:
    stems = {split_ending(Path(case.channels[0][0]).name, NIFTI_ENDINGS)[0] for case in cases}
    if len(stems) > 1 and settings.modality == "auto":
        raise DataError(
            found="ct.nii.gz in some cases and mri.nii.gz in others", expected="one kind of image",
            fix="give each kind its own data.root, or treat both alike with data.modality=mr",
            path=root, code="mixed-modality",
        )  # fmt: skip
    return (_IMAGES[stems.pop()],) if len(stems) == 1 else ()


LAYOUT = Layout(
    title="TotalSegmentator",
    looks_like="{case}/ct.nii.gz (or mri.nii.gz), {case}/segmentations/{structure}.nii.gz",
    recognise=recognise,
    find=find,
)
