"""Images and labels that belong together because their names are equal."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from seg.data.listing import list_folder, split_ending
from seg.errors import DataError

IMAGE_FOLDER = "images"
LABEL_FOLDERS = ("labels", "masks")
UNLABELLED_FOLDERS = ("imagesUn", "unlabelled")


def label_folder(root: Path) -> Path:
    """`labels/` or `masks/`, whichever is there; both raise DataError, neither gives `labels/`."""
    present = [root / name for name in LABEL_FOLDERS if not list_folder(root / name).empty]
    if len(present) > 1:
        raise DataError(
            found="files in labels/ and in masks/", expected="one folder of labels",
            fix="move one of them out of the root", path=root, code="two-label-folders",
        )  # fmt: skip
    return present[0] if present else root / LABEL_FOLDERS[0]


def by_stem(paths: Iterable[Path], folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """`{name below folder without its ending: path}`, in the order of `paths`.

    Names are compared in Unicode's composed form, since macOS writes `ä` as two characters.

    Raises:
        DataError: two files have one name, such as `a.png` and `a.jpg` (`two-files-one-name`).
    """
    found: dict[str, Path] = {}
    for path in paths:
        stem = unicodedata.normalize("NFC", split_ending(path.relative_to(folder).as_posix(), endings)[0])
        if stem in found:
            raise DataError(
                found=f"{found[stem].name} and {path.name}", expected="one file per name",
                fix="remove one of them", path=folder, code="two-files-one-name",
            )  # fmt: skip
        found[stem] = path
    return found


def common_ending(paths: Iterable[Path], endings: tuple[str, ...]) -> str:
    """The ending most of the files have, for the name of one that is missing; the first of `endings` without files."""
    found = [split_ending(path.name, endings)[1] for path in paths]
    return max(sorted(set(found)), key=found.count) if found else endings[0]
