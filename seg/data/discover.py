"""Which layout lies at a root, and which cases it holds."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from seg.config import Data
from seg.data.formats.layout import Layout
from seg.data.listing import list_folder
from seg.errors import DataError
from seg.records import DataSet
from seg.registry import FORMATS

_SHOWN = 8
_SUBFOLDERS_TRIED = 50


def find_data(root: Path, settings: Data) -> DataSet:
    """The data set at `root`: in the layout `data.format` names, or in the only one that recognises it.

    `root` may be a single scan, which becomes one unlabelled case. No voxels are read.

    Raises:
        DataError: no root, an empty one, no layout or several that fit, no case, or two cases of one name.
        UsageError: `data.format` names no layout.
    """
    root = Path(os.path.abspath(root.expanduser()))
    _refuse_missing(root)
    layout = _named(root, settings.format) if settings.format != "auto" else _recognised(root)
    data_set = layout.find(root, settings)
    _refuse_unusable(data_set, layout)
    return replace(data_set, tolerated=data_set.tolerated + _links_outside(data_set))


def layouts() -> dict[str, Layout]:
    """Every registered layout by its name."""
    return {name: FORMATS.load(name).LAYOUT for name in FORMATS.names()}


def _refuse_missing(root: Path) -> None:
    if not os.path.exists(root):  # Path.exists raises for names that are too long
        near = next(parent for parent in root.parents if os.path.exists(parent))
        raise DataError(
            found=f"no such file or folder (the path exists up to {near})", expected="a folder of scans",
            fix="correct data.root", path=root, code="root-missing",
        )  # fmt: skip
    if root.is_dir() and list_folder(root).empty:
        raise DataError(
            found="an empty folder", expected="a folder of scans", fix="correct data.root", path=root, code="root-empty"
        )


def _named(root: Path, name: str) -> Layout:
    layout: Layout = FORMATS.load(name).LAYOUT
    if not layout.recognise(root):
        raise DataError(
            found=contents(root), expected=f"{layout.title}: {layout.looks_like}",
            fix="correct data.root, or leave out data.format to have the layout found",
            path=root, code="format-differs",
        )  # fmt: skip
    return layout


def _recognised(root: Path) -> Layout:
    known = layouts()
    fitting = [name for name, layout in known.items() if layout.recognise(root)]
    if len(fitting) == 1:
        return known[fitting[0]]
    if fitting:
        raise DataError(
            found=f"files of several layouts: {', '.join(fitting)}", expected="one layout",
            fix=f"say which is meant: {' or '.join(f'data.format={name}' for name in fitting)}",
            path=root, code="format-ambiguous",
        )  # fmt: skip
    expected = "; or ".join(f"{name}: {layout.looks_like}" for name, layout in known.items())
    raise DataError(found=contents(root), expected=expected, fix=_advice(root, known), path=root, code="format-unknown")


def contents(root: Path) -> str:
    """A few words on what lies at a root."""
    if root.is_file():
        return f"a file {root.name}"
    listing = list_folder(root)
    names = [f"{path.name}/" for path in listing.folders] + [path.name for path in listing.files]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _advice(root: Path, known: dict[str, Layout]) -> str:
    listing = list_folder(root)
    if list_folder(root).ending(".dcm", ".ima") or root.suffix.lower() == ".dcm" or "DICOMDIR" in contents(root):
        return "convert DICOM to NIfTI first, for example with dcm2niix"
    if root.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z"):
        return "unpack the archive and give its folder"
    inner = (
        folder
        for folder in listing.folders[:_SUBFOLDERS_TRIED]
        if any(item.recognise(folder) for item in known.values())
    )
    below = next(inner, None)
    return (
        f"did you mean data.root={below}?"
        if below
        else "correct data.root, or arrange the files in one of these layouts"
    )


def _refuse_unusable(data_set: DataSet, layout: Layout) -> None:
    if not data_set.cases:
        raise DataError(
            found="not a single case", expected=layout.looks_like, fix=_mend_names(data_set),
            path=data_set.root, code="no-cases",
        )  # fmt: skip
    name, times = Counter(case.name for case in data_set.cases).most_common(1)[0]
    if times > 1:
        files = [case.channels[0][0] for case in data_set.cases if case.name == name]
        raise DataError(
            found=f"{times} cases named {name!r}: {', '.join(files[:3])}", expected="one name per case",
            fix="rename or remove all but one", path=data_set.root, code="duplicate-case",
        )  # fmt: skip


def _mend_names(data_set: DataSet) -> str:
    if data_set.misnamed:
        return f"set data.patient_pattern to how files are named, such as {Path(data_set.misnamed[0]).name}"
    return "correct data.root"


def _links_outside(data_set: DataSet) -> tuple[str, ...]:
    real_root = os.path.join(os.path.realpath(data_set.root), "")
    files = [path for case in data_set.cases for group in (*case.channels, *case.labels.values()) for path in group]
    outside = [real for path in files if not (real := os.path.realpath(path)).startswith(real_root)]
    return (f"{len(outside)} files are links to outside of the root (such as {outside[0]})",) if outside else ()
