"""Write phantoms to disk in every layout that `seg` reads, with and without labels."""

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from seg.atomic import atomic_folder, cannot_write
from seg.data.phantom.abdomen import DEFAULT_SIZE, PHANTOM_LABELS, make_phantom
from seg.data.phantom.files import WRITERS, Export, check_orientation
from seg.data.phantom.scanner import Scanner
from seg.errors import UsageError, nearest
from seg.types import SpacingMm

PHANTOM_LAYOUTS = tuple(WRITERS)
Progress = Callable[[int, int, str], None]
Known = TypeVar("Known")
EMBEDDED_LABELLED, EMBEDDED_UNLABELLED = 40, 20
EMBEDDED_VERSION = 1
"""Raised whenever the embedded data changes, so that an old cache is never taken for the new data."""


def write_phantoms(
    root: Path,
    layout: str,
    *,
    labelled: int,
    unlabelled: int,
    seed: int = 0,
    scanner: Scanner = "a",
    size: tuple[int, int, int] = DEFAULT_SIZE,
    spacing_mm: SpacingMm | None = None,
    organ: str | None = None,
    orientation: str = "LPS",
    oblique_deg: float = 0.0,
    progress: Progress | None = None,
) -> Path:
    """Write patients `phantom000`, `phantom001`, ... into `root`: first the labelled, then the unlabelled ones.

    The folder appears complete or not at all. One seed means the same people on both scanners.

    Args:
        root: Folder to make; an existing one is replaced.
        layout: pictures, nifti, decathlon, nnunet or totalsegmentator.
        labelled: Patients with labels.
        unlabelled: Patients without.
        seed: Population the patients come from.
        scanner: `a` or `b`.
        size: Voxels along (z, y, x).
        spacing_mm: Voxel size along (z, y, x); None follows the body.
        organ: Write only this structure, as 0/1; None writes all of PHANTOM_LABELS.
        orientation: Axis codes of the NIfTI files, such as RAS or PIR; pictures always show the radiological view.
        oblique_deg: Tilt of the NIfTI grid against the scanner's axes.
        progress: Called with patients done, patients in all and the name of the last one.

    Raises:
        UsageError: For an unknown layout, organ or orientation.
        ResourceError: Where the folder cannot be written.
    """
    writer = _known(layout, WRITERS, "layout")
    labels = PHANTOM_LABELS if organ is None else {organ: _known(organ, PHANTOM_LABELS, "organ")}
    check_orientation(orientation)
    count = labelled + unlabelled
    with atomic_folder(root) as folder:
        export = Export(folder, labels, orientation, oblique_deg)
        for patient in range(count):
            phantom = make_phantom(patient, seed=seed, scanner=scanner, size=size, spacing_mm=spacing_mm)
            writer(export, f"phantom{patient:03d}", phantom, patient < labelled)
            if progress is not None:
                progress(patient + 1, count, f"phantom{patient:03d}")
        _describe(export, layout, labelled, unlabelled)
    return root


def embedded_data(cache_folder: Path, progress: Progress | None = None) -> Path:
    """The data set used where no `data.root` is given, in the decathlon layout; written once per version and size.

    It names all structures of PHANTOM_LABELS, so that any of them can be trained on.
    """
    root = cache_folder / f"phantoms-v{EMBEDDED_VERSION}-{EMBEDDED_LABELLED}-{EMBEDDED_UNLABELLED}"
    if not root.exists():
        mine = root.with_name(f"{root.name}-{uuid.uuid4().hex[:12]}")
        write_phantoms(mine, "decathlon", labelled=EMBEDDED_LABELLED, unlabelled=EMBEDDED_UNLABELLED, progress=progress)
        _keep_first(mine, root)
    return root


def _keep_first(mine: Path, place: Path) -> None:
    """Another process may have been faster and may be reading already: its copy, which is the same, stays."""
    try:
        os.rename(mine, place)
    except OSError as error:
        shutil.rmtree(mine, ignore_errors=True)
        if not place.is_dir():
            raise cannot_write(place, error) from error


def _known(name: str, known: dict[str, Known], kind: str) -> Known:
    if name not in known:
        raise UsageError(
            found=f"{kind} {name!r}",
            expected=f"one of {', '.join(known)}",
            fix=f"choose a known {kind}.{nearest(name, known)}",
            code=f"unknown-{kind}",
        )
    return known[name]


def _describe(export: Export, layout: str, labelled: int, unlabelled: int) -> None:
    """The dataset.json of the layouts that have one."""
    names = [f"phantom{patient:03d}" for patient in range(labelled + unlabelled)]
    values = export.labels if len(export.labels) > 1 else dict.fromkeys(export.labels, 1)
    if layout == "decathlon":
        content: dict[str, object] = {
            "name": "phantom",
            "description": "Synthetic abdomen CT",
            "tensorImageSize": "3D",
            "modality": {"0": "CT"},
            "labels": {"0": "background"} | {str(value): organ for organ, value in values.items()},
            "numTraining": labelled,
            "numTest": unlabelled,
            "training": [
                {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
                for name in names[:labelled]
            ],
            "test": [f"./imagesTs/{name}.nii.gz" for name in names[labelled:]],
        }
    elif layout == "nnunet":
        content = {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0} | values,
            "numTraining": labelled,
            "file_ending": ".nii.gz",
        }
    else:
        return
    (export.root / "dataset.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
