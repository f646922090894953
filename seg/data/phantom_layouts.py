"""Write phantoms to disk in every layout that `seg` reads, with and without labels."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel import orientations
from PIL import Image

from seg.atomic import atomic_folder
from seg.data.phantom import DEFAULT_SIZE, PHANTOM_LABELS, Phantom, make_phantom
from seg.data.phantom_scanner import Scanner
from seg.errors import UsageError, nearest
from seg.types import Affine, AnyArray, SpacingMm

Progress = Callable[[int, int, str], None]
Known = TypeVar("Known")
WINDOW_HU = (-160.0, 240.0)
SLICES_PER_PATIENT = 7
EMBEDDED_LABELLED, EMBEDDED_UNLABELLED = 40, 20
EMBEDDED_VERSION = 1
"""Raised whenever the embedded data changes, so that an old cache is never taken for the new data."""


@dataclass(frozen=True)
class _Export:
    """What every writer needs to know beside the phantom."""

    root: Path
    labels: dict[str, int]
    orientation: str
    oblique_deg: float


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

    The folder appears complete or not at all. Patients of one seed are the same people on both scanners; use another
    seed for a second data set of other people.

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
    writer = _known(layout, _WRITERS, "layout")
    labels = PHANTOM_LABELS if organ is None else {organ: _known(organ, PHANTOM_LABELS, "organ")}
    _check_orientation(orientation)
    count = labelled + unlabelled
    with atomic_folder(root) as folder:
        export = _Export(folder, labels, orientation, oblique_deg)
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
        write_phantoms(root, "decathlon", labelled=EMBEDDED_LABELLED, unlabelled=EMBEDDED_UNLABELLED, progress=progress)
    return root


def _known(name: str, known: dict[str, Known], kind: str) -> Known:
    if name not in known:
        raise UsageError(
            found=f"{kind} {name!r}",
            expected=f"one of {', '.join(known)}",
            fix=f"choose a known {kind}.{nearest(name, known)}",
            code=f"unknown-{kind}",
        )
    return known[name]


def _check_orientation(orientation: str) -> None:
    axes = {"L": 0, "R": 0, "A": 1, "P": 1, "S": 2, "I": 2}
    if sorted(axes.get(letter, -1) for letter in orientation) != [0, 1, 2]:
        raise UsageError(
            found=f"orientation {orientation!r}",
            expected="three axis codes, one of each pair L/R, A/P, S/I",
            fix="use for example RAS or LPS",
            code="unknown-orientation",
        )


def _label_map(phantom: Phantom, labels: dict[str, int]) -> AnyArray:
    if labels is PHANTOM_LABELS:
        return phantom.labels
    return np.isin(phantom.labels, list(labels.values())).astype(np.uint8)


def _oriented(array_zyx: AnyArray, affine: Affine, export: _Export) -> tuple[AnyArray, Affine]:
    """The array in file order and its affine, turned to the orientation asked for and tilted."""
    turn = orientations.ornt_transform(
        orientations.axcodes2ornt("LPS"), orientations.axcodes2ornt(tuple(export.orientation))
    )
    array = array_zyx.transpose(2, 1, 0)
    turned = affine @ orientations.inv_ornt_aff(turn, array.shape)
    return orientations.apply_orientation(array, turn), _tilt(export.oblique_deg) @ turned


def _tilt(degrees: float) -> Affine:
    """A rotation about x and then, by half as much, about z."""
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 2)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x
    return affine


def _write_volume(path: Path, array_zyx: AnyArray, phantom: Phantom, export: _Export) -> None:
    array, affine = _oriented(array_zyx, phantom.affine, export)
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed time stamp: the same phantom is the same file.
    path.write_bytes(igzip.compress(image.to_bytes(), 1, mtime=0))


def _write_pictures(export: _Export, name: str, phantom: Phantom, labelled: bool) -> None:
    low, high = WINDOW_HU
    grey = np.clip((phantom.hu - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    labels = _label_map(phantom, export.labels)
    for kind, stack in (("images", grey), ("labels", labels))[: 1 + labelled]:
        (export.root / kind).mkdir(exist_ok=True)
        for index in _slices(phantom):
            Image.fromarray(stack[index]).save(export.root / kind / f"{name}_{index:04d}.png")


def _slices(phantom: Phantom) -> list[int]:
    """Slices spread evenly over those that show the liver or the pancreas."""
    shown = np.isin(phantom.labels, (PHANTOM_LABELS["liver"], PHANTOM_LABELS["pancreas"])).any(axis=(1, 2))
    where = np.flatnonzero(shown) if shown.any() else np.arange(len(phantom.labels))
    return sorted({int(index) for index in np.linspace(where[0], where[-1], SLICES_PER_PATIENT + 2)[1:-1]})


def _write_nifti(export: _Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_volume(export.root / "images" / f"{name}.nii.gz", phantom.hu, phantom, export)
    if labelled:
        labels = _label_map(phantom, export.labels)
        _write_volume(export.root / "labels" / f"{name}.nii.gz", labels, phantom, export)


def _write_decathlon(export: _Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_pair(export, name, name, phantom, labelled)


def _write_nnunet(export: _Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_pair(export, f"{name}_0000", name, phantom, labelled)


def _write_pair(export: _Export, image: str, label: str, phantom: Phantom, labelled: bool) -> None:
    part = "imagesTr" if labelled else "imagesTs"
    _write_volume(export.root / part / f"{image}.nii.gz", phantom.hu, phantom, export)
    if labelled:
        labels = _label_map(phantom, export.labels)
        _write_volume(export.root / "labelsTr" / f"{label}.nii.gz", labels, phantom, export)


def _write_totalsegmentator(export: _Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_volume(export.root / name / "ct.nii.gz", phantom.hu, phantom, export)
    for organ, value in export.labels.items() if labelled else ():
        mask = (phantom.labels == value).astype(np.uint8)
        _write_volume(export.root / name / "segmentations" / f"{organ}.nii.gz", mask, phantom, export)


_WRITERS: dict[str, Callable[[_Export, str, Phantom, bool], None]] = {
    "pictures": _write_pictures,
    "nifti": _write_nifti,
    "decathlon": _write_decathlon,
    "nnunet": _write_nnunet,
    "totalsegmentator": _write_totalsegmentator,
}
PHANTOM_LAYOUTS = tuple(_WRITERS)


def _describe(export: _Export, layout: str, labelled: int, unlabelled: int) -> None:
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
