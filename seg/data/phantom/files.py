"""The files of one phantom in each layout: volumes in any orientation, pictures, masks per structure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel import orientations
from PIL import Image

from seg.data.phantom.abdomen import PHANTOM_LABELS, Phantom
from seg.errors import UsageError
from seg.types import Affine, AnyArray

WINDOW_HU = (-160.0, 240.0)
"""What becomes black and white in pictures."""
SLICES_PER_PATIENT = 7
"""Pictures of one patient, at most."""


@dataclass(frozen=True)
class Export:
    """What every writer needs to know beside the phantom."""

    root: Path
    labels: dict[str, int]
    orientation: str
    oblique_deg: float


def check_orientation(orientation: str) -> None:
    """Refuse what is not one axis code of each pair: a UsageError."""
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


def _oriented(array_zyx: AnyArray, affine: Affine, export: Export) -> tuple[AnyArray, Affine]:
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


def _write_volume(path: Path, array_zyx: AnyArray, phantom: Phantom, export: Export) -> None:
    array, affine = _oriented(array_zyx, phantom.affine, export)
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed time stamp: the same phantom is the same file.
    path.write_bytes(igzip.compress(image.to_bytes(), 1, mtime=0))


def _write_pictures(export: Export, name: str, phantom: Phantom, labelled: bool) -> None:
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


def _write_nifti(export: Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_volume(export.root / "images" / f"{name}.nii.gz", phantom.hu, phantom, export)
    if labelled:
        labels = _label_map(phantom, export.labels)
        _write_volume(export.root / "labels" / f"{name}.nii.gz", labels, phantom, export)


def _write_decathlon(export: Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_pair(export, name, name, phantom, labelled)


def _write_nnunet(export: Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_pair(export, f"{name}_0000", name, phantom, labelled)


def _write_pair(export: Export, image: str, label: str, phantom: Phantom, labelled: bool) -> None:
    part = "imagesTr" if labelled else "imagesTs"
    _write_volume(export.root / part / f"{image}.nii.gz", phantom.hu, phantom, export)
    if labelled:
        labels = _label_map(phantom, export.labels)
        _write_volume(export.root / "labelsTr" / f"{label}.nii.gz", labels, phantom, export)


def _write_totalsegmentator(export: Export, name: str, phantom: Phantom, labelled: bool) -> None:
    _write_volume(export.root / name / "ct.nii.gz", phantom.hu, phantom, export)
    for organ, value in export.labels.items() if labelled else ():
        mask = (phantom.labels == value).astype(np.uint8)
        _write_volume(export.root / name / "segmentations" / f"{organ}.nii.gz", mask, phantom, export)


WRITERS: dict[str, Callable[[Export, str, Phantom, bool], None]] = {
    "pictures": _write_pictures,
    "nifti": _write_nifti,
    "decathlon": _write_decathlon,
    "nnunet": _write_nnunet,
    "totalsegmentator": _write_totalsegmentator,
}
"""Layout to what writes one patient: export, name, phantom, whether its labels belong to it."""
