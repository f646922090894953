"""The label arrays of one case on either side, on one grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg.config import Data
from seg.data.files.nifti import EXTENSIONS, read_nifti
from seg.data.files.picture import read_picture
from seg.data.geometry import Grid
from seg.errors import DataError
from seg.types import AnyArray, SpacingMm

TOLERATED_VOXELS = 0.1
"""Two grids whose corners lie apart by up to this share of a voxel are the same, told apart by rounding alone."""


MOST_VALUES = 150
"""Label maps of whole bodies have about 118 values; a grey picture or a CT has more than this."""

_SAMPLED_FROM = 1_000_000


@dataclass(frozen=True, eq=False)
class LabelStack:
    """Label arrays (z, y, x) in the canonical view, all of one shape."""

    arrays: dict[str, AnyArray]
    """`""` for a label map, else structure to mask."""
    grid: Grid | None
    """None for pictures."""
    slice_shapes: tuple[tuple[int, ...], ...] = ()
    """For pictures the size of each, before smaller ones were framed with zeros to the size of the largest."""

    def spacing_mm(self, settings: Data) -> SpacingMm | None:
        """From the file, or for pictures from `data.spacing_mm`; None where neither says it."""
        if self.grid is not None:
            return self.grid.spacing_mm
        return None if settings.spacing_mm is None else (1.0, *settings.spacing_mm)


def read_stack(files: Mapping[str, Sequence[str | Path]], settings: Data) -> LabelStack:
    """Read the label files of one case; DataError where one is broken or they do not share a grid."""
    first = str(next(iter(files.values()))[0])
    if not first.lower().endswith(EXTENSIONS):
        planes = [read_picture(Path(path), labels=True) for path in files[""]]
        for plane, path in zip(planes, files[""], strict=True):
            _refuse_intensities(plane, str(path))
        return _stacked(planes)
    arrays: dict[str, AnyArray] = {}
    grid: Grid | None = None
    for name, (path,) in files.items():
        scan = read_nifti(Path(path), trust=settings.trust, labels=True)
        grid = grid or scan.grid
        check_grids(scan.grid, str(path), grid, first)
        _refuse_intensities(scan.voxels, str(path))
        arrays[name] = scan.grid.to_canonical(scan.voxels)
    return LabelStack(arrays, grid)


def read_slices_like(paths: Sequence[Path | None], reference: LabelStack, files: Sequence[str]) -> LabelStack:
    """The predicted pictures of a case; a slice without one is empty.

    Raises:
        DataError: a picture is broken or has not the size of its reference.
    """
    planes = []
    for path, shape, file in zip(paths, reference.slice_shapes, files, strict=True):
        plane = np.zeros(shape, dtype=np.uint8) if path is None else read_picture(path, labels=True)
        if plane.shape != shape:
            raise _differs(f"{plane.shape[1]} x {plane.shape[0]} pixels", f"{shape[1]} x {shape[0]}", str(path), file)
        _refuse_intensities(plane, str(path))
        planes.append(plane)
    return _stacked(planes)


def check_grids(grid: Grid, path: str, expected: Grid, expected_path: str) -> None:
    """Refuse two grids that do not show the same place: by shape, or by more than 0.1 voxels at a corner.

    Raises:
        DataError: code `shape-differs` or `affine-differs`, with both files.
    """
    if grid.canonical_shape != expected.canonical_shape:
        raise _differs(f"shape {_listed(grid)}", f"shape {_listed(expected)}", path, expected_path)
    displacement = expected.displacement_voxels(grid)
    if displacement > TOLERATED_VOXELS:
        raise DataError(
            found=f"a grid displaced by {displacement:.2f} voxels against {expected_path}",
            expected=f"the same place in the patient, within {TOLERATED_VOXELS} voxels",
            fix="write the prediction on the grid of the reference", path=path, code="affine-differs",
        )  # fmt: skip


def _refuse_intensities(labels: AnyArray, path: str) -> None:
    values = np.unique(labels[..., ::2, ::2] if labels.size > _SAMPLED_FROM else labels)
    if len(values) > MOST_VALUES:
        raise DataError(
            found=f"{len(values)} different values, as in a scan", expected=f"a mask of at most {MOST_VALUES} labels",
            fix="give the folder of the masks, not that of the scans", path=path, code="not-a-mask",
        )  # fmt: skip


def _stacked(planes: Sequence[AnyArray]) -> LabelStack:
    shapes = tuple(plane.shape for plane in planes)
    height, width = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
    framed = [np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1]))) for plane in planes]
    return LabelStack({"": np.stack(framed)}, None, shapes)


def _differs(found: str, expected: str, path: str, expected_path: str) -> DataError:
    return DataError(
        found=found, expected=f"{expected}, as in {expected_path}",
        fix="write the prediction on the grid of the reference", path=path, code="shape-differs",
    )  # fmt: skip


def _listed(grid: Grid) -> str:
    return " x ".join(map(str, grid.canonical_shape)) + " (z, y, x)"
