"""What lies in a folder: hidden files left out, links followed, loops refused, names in natural order."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from seg.errors import DataError, ResourceError

NIFTI_ENDINGS = (".nii.gz", ".nii")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


@dataclass(frozen=True)
class Listing:
    """Files and folders of one folder in natural order, without hidden ones."""

    files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    apple_doubles: int = 0
    """How many `._name` files macOS left behind; they look like scans and are not."""

    @property
    def empty(self) -> bool:
        """True where nothing but hidden files lies there."""
        return not self.files and not self.folders

    def ending(self, *endings: str) -> tuple[Path, ...]:
        """The files whose name has one of the endings, in lower or upper case."""
        return tuple(path for path in self.files if path.name.lower().endswith(endings))


def list_folder(folder: Path) -> Listing:
    """The listing of a folder; empty where there is no such folder.

    A link that leads nowhere counts as a file, so that the check reports it as missing.

    Raises:
        DataError: a link leads back to a folder above it (`link-loop`) or a name is not text (`file-name`).
        ResourceError: the folder may not be read.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return Listing()
    except OSError as error:
        raise ResourceError(
            found=error.strerror or str(error), expected="a folder that can be read",
            fix="check its permissions", path=folder, code="cannot-read",
        ) from None  # fmt: skip
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    folders = {entry.name for entry in shown if _is_folder(entry, folder)}
    return Listing(
        files=tuple(folder / _text(entry.name, folder) for entry in shown if entry.name not in folders),
        folders=tuple(folder / _text(entry.name, folder) for entry in shown if entry.name in folders),
        apple_doubles=sum(entry.name.startswith("._") for entry in entries),
    )


def list_nested(folder: Path, depth: int) -> Listing:
    """Like `list_folder`, with the files that lie exactly `depth` folders further down."""
    listing = list_folder(folder)
    if depth == 0:
        return listing
    inner = [list_nested(sub, depth - 1) for sub in listing.folders]
    files = tuple(path for found in inner for path in found.files)
    doubles = listing.apple_doubles + sum(found.apple_doubles for found in inner)
    return Listing(files, (), doubles)


def _is_folder(entry: os.DirEntry[str], folder: Path) -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    try:
        target = (folder / entry.name).resolve(strict=True)
    except FileNotFoundError:
        return False
    except (OSError, RuntimeError):  # a link to itself: RuntimeError before Python 3.13
        raise _loop(folder / entry.name) from None
    here = folder.resolve()
    if target == here or target in here.parents:
        raise _loop(folder / entry.name)
    return target.is_dir()


def _loop(path: Path) -> DataError:
    return DataError(
        found="a link that leads back to itself or to a folder above it", expected="links to scans or folders of scans",
        fix="remove the link", path=path, code="link-loop",
    )  # fmt: skip


def _text(name: str, folder: Path) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(
            found=f"a file name that is not UTF-8: {name!r}", expected="names that are text",
            fix="rename the file", path=folder, code="file-name",
        ) from None  # fmt: skip
    return name


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that puts `slice_9` before `slice_10`."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def split_ending(name: str, endings: tuple[str, ...]) -> tuple[str, str]:
    """(stem, ending) of a file name; the ending is empty where none of `endings` fits. Longer endings come first."""
    found = next((ending for ending in endings if name.lower().endswith(ending)), "")
    cut = len(name) - len(found)
    return name[:cut], name[cut:]


def strangers(listing: Listing, endings: tuple[str, ...], where: str) -> tuple[str, ...]:
    """A sentence on files in `where` that are left alone, or nothing."""
    other = [path.name for path in listing.files if not path.name.lower().endswith(endings)]
    sentences = [f"{where}: {len(other)} files of other types left alone (such as {other[0]})"] if other else []
    if listing.apple_doubles:
        sentences.append(f"{where}: {listing.apple_doubles} macOS `._` files left alone")
    return tuple(sentences)
