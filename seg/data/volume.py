"""One case from its files: intensities and organ masks as planes in the radiological view."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seg.config import Data
from seg.data.files.nifti import Scan, read_nifti
from seg.data.files.picture import read_picture
from seg.data.geometry import Grid
from seg.data.organs import OrganSource, label_files, organ_mask
from seg.errors import DataError
from seg.records import Case
from seg.types import AnyArray, SpacingMm

IGNORE = 255
"""Value of a mask pixel that is neither trained on nor scored."""

Planes: TypeAlias = Sequence[AnyArray] | AnyArray
"""(y, x) arrays, one per slice; a (z, y, x) array is one of these."""


@dataclass(frozen=True)
class CaseImage:
    """What a case shows, in its own intensities and its own in-plane grid."""

    channels: tuple[Planes, ...]
    spacing_mm: SpacingMm | None
    """None where the files do not say it (pictures)."""
    contiguous: bool
    """True for volumes: slice z touches slice z + 1."""
    scan: Scan | None
    """The first channel's file, whose grid predictions return to; None for pictures."""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.channels[0])

    def plane(self, z: int) -> NDArray[np.float32]:
        """(channel, y, x) of one slice."""
        return np.stack([np.asarray(channel[z], dtype=np.float32) for channel in self.channels])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x); of pictures with several sizes the largest."""
        sizes = [plane.shape for plane in self.channels[0]]
        return len(self), max(size[0] for size in sizes), max(size[1] for size in sizes)


def read_image(case: Case, settings: Data) -> CaseImage:
    """Read all channels of a case; DataError where a file is broken or the channels do not share one grid."""
    if case.kind == "slices" or not is_nifti(case.channels[0][0]):
        return _read_pictures(case, settings)
    scans = [read_nifti(Path(files[0]), trust=settings.trust, nan_to=settings.nan_to) for files in case.channels]
    for files, scan in zip(case.channels[1:], scans[1:], strict=True):
        _same_grid(files[0], scan.grid, scans[0].grid)
    return CaseImage(
        channels=tuple(scan.grid.to_canonical(scan.voxels) for scan in scans),
        spacing_mm=scans[0].grid.spacing_mm,
        contiguous=True,
        scan=scans[0],
        notes=tuple(note for scan in scans for note in scan.notes),
    )


def _read_pictures(case: Case, settings: Data) -> CaseImage:
    channels = tuple([read_picture(Path(file)) for file in files] for files in case.channels)
    spacing = None if settings.spacing_mm is None else (1.0, *settings.spacing_mm)
    return CaseImage(channels=channels, spacing_mm=spacing, contiguous=case.kind == "volume", scan=None)


def read_masks(
    case: Case, image: CaseImage, sources: Sequence[OrganSource], ignore_value: int | None, settings: Data
) -> list[NDArray[np.uint8]]:
    """Per slice (organ, y, x): 1 inside, 0 outside, IGNORE where the data set says so.

    Raises DataError where a label file is broken or does not lie on the image's grid.
    """
    needed = {name for source in sources for name in label_files(case, source)}
    maps = {name: _label_planes(case.labels[name], image, settings) for name in sorted(needed)}
    return [_organ_planes({name: planes[z] for name, planes in maps.items()}, sources, ignore_value)
            for z in range(len(image))]  # fmt: skip


def _organ_planes(
    labels: dict[str, AnyArray], sources: Sequence[OrganSource], ignore_value: int | None
) -> NDArray[np.uint8]:
    stacked: NDArray[np.uint8] = np.stack([organ_mask(labels, source) for source in sources]).astype(np.uint8)
    if ignore_value is not None and "" in labels:
        stacked[:, labels[""] == ignore_value] = IGNORE
    return stacked


def _label_planes(files: tuple[str, ...], image: CaseImage, settings: Data) -> Planes:
    if image.scan is None:
        planes = [read_picture(Path(file), labels=True) for file in files]
        for file, plane, shown in zip(files, planes, image.channels[0], strict=True):
            _same_shape(file, plane.shape, shown.shape)
        return planes
    scan = read_nifti(Path(files[0]), trust=settings.trust, labels=True)
    _same_grid(files[0], scan.grid, image.scan.grid)
    canonical: AnyArray = scan.grid.to_canonical(scan.voxels)
    return canonical


def _same_grid(path: str, grid: Grid, expected: Grid) -> None:
    _same_shape(path, grid.canonical_shape, expected.canonical_shape)
    displacement = grid.displacement_voxels(expected)
    if displacement > 0.5:
        raise DataError(
            found=f"a grid displaced by {displacement:.2f} voxels", expected="the grid of the case's image",
            fix="export both on one grid", path=path, code="affine-differs",
        )  # fmt: skip


def _same_shape(path: str, shape: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    if tuple(shape) != tuple(expected):
        raise DataError(
            found=f"shape {tuple(shape)}", expected=f"the image's {tuple(expected)}",
            fix="export the label on the image's grid", path=path, code="shape-differs",
        )  # fmt: skip


def is_nifti(path: str) -> bool:
    """True for .nii and .nii.gz names."""
    return path.lower().endswith((".nii", ".nii.gz"))
