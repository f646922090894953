"""One look at a case of NIfTI files: every channel, every label, and whether they lie on one grid."""

import os
from collections.abc import Sequence
from pathlib import Path

from seg.config import Data
from seg.data.checks.look import CaseLook, Findings, image_file
from seg.data.files.nifti import Scan, read_nifti
from seg.data.geometry import Grid
from seg.data.organs import OrganSource, label_files
from seg.errors import DataError, SegError
from seg.records import Case

ACCEPTED_VOXELS = 0.1
"""Label and image may lie so far apart; rounding of headers explains that much."""
REFUSED_VOXELS = 0.5
"""Beyond, label and image do not show the same place."""


def look_at_volume(case: Case, sources: Sequence[OrganSource], settings: Data, findings: Findings) -> CaseLook:
    """Read every channel and those labels that `sources` name (all label maps), and note what is wrong with them."""
    look = CaseLook(case)
    grid = _look_at_channels(look, settings, findings)
    names = _wanted_masks(case, sources, findings)
    grids = [grid] if grid else []
    maps = {}
    for name in names:
        scan = _read(case.labels[name][0], settings, findings, labels=True)
        if scan is None:
            continue
        # Without a readable image the labels are at least held against each other.
        if grids and not _fits(case.labels[name][0], scan.grid, grids[0], _image_path(case), look, findings):
            continue
        grids.append(scan.grid)
        maps[name] = scan.grid.to_canonical(scan.voxels)
    depth = next(iter(maps.values())).shape[0] if maps else 0
    for z in range(depth):
        look.count_labels({name: planes[z] for name, planes in maps.items()}, sources)
    return look


def _look_at_channels(look: CaseLook, settings: Data, findings: Findings) -> Grid | None:
    """Fill `look` with the channels; the grid of the first that could be read."""
    grid: Grid | None = None
    for (path,) in look.case.channels:
        scan = _read(path, settings, findings, labels=False)
        if scan is None:
            look.images.append([])
            continue
        planes = scan.grid.to_canonical(scan.voxels)
        look.images.append([image_file(path, planes, str(scan.voxels.dtype))])
        if grid is None:
            grid = scan.grid
            look.shape, look.spacing_mm = grid.canonical_shape, grid.spacing_mm
            look.plane_sizes.add(grid.canonical_shape[1:])
        else:
            _fits(path, scan.grid, grid, _image_path(look.case), look, findings)
    return grid


def _image_path(case: Case) -> str:
    return case.channels[0][0]


def _read(path: str, settings: Data, findings: Findings, *, labels: bool) -> Scan | None:
    if not os.path.exists(path):  # Path.exists raises for names that are too long
        findings.refused(missing(labels), path)
        return None
    try:
        # Gaps are replaced in images only: no value could stand for an unknown label.
        nan_to = None if labels else settings.nan_to
        scan = read_nifti(Path(path), trust=settings.trust, nan_to=nan_to, labels=labels)
    except SegError as error:
        findings.refused(error, path)
        return None
    for note in scan.notes:
        findings.add("note", "tolerated", path, found=note, expected="a file without it", fix="nothing has to be done")
    return scan


def missing(labels: bool) -> DataError:
    """The error of a file that a complete data set would have."""
    kind = "label" if labels else "image"
    return DataError(
        found=f"no such {kind} file", expected=f"the {kind} that belongs to this case",
        fix="add the file, or take the case's other files away", code=f"missing-{kind}",
    )  # fmt: skip


def _wanted_masks(case: Case, sources: Sequence[OrganSource], findings: Findings) -> list[str]:
    if "" in case.labels or not case.labels:
        return list(case.labels)
    names: dict[str, None] = {}
    for source in sources:
        try:
            names |= dict.fromkeys(label_files(case, source))
        except DataError as error:
            findings.refused(error, Path(next(iter(case.labels.values()))[0]).parent)
    return list(names)


def _fits(path: str, grid: Grid, expected: Grid, of: str, look: CaseLook, findings: Findings) -> bool:
    """Whether a file lies on the grid of the case's image; both in the canonical view, so orientation may differ."""
    image = f"{Path(of).name}"
    if grid.canonical_shape != expected.canonical_shape:
        findings.add(
            "error", "shape-differs", path,
            found=f"shape {grid.canonical_shape} (z, y, x)", expected=f"{expected.canonical_shape} as {image}",
            fix="export both on one grid, or resample the label to the image",
        )  # fmt: skip
        return False
    distance = expected.displacement_voxels(grid)
    if distance > REFUSED_VOXELS:
        findings.add(
            "error", "affine-differs", path,
            found=f"a grid that lies up to {distance:.2f} voxels off {image}",
            expected=f"the same grid, to {ACCEPTED_VOXELS} voxels",
            fix="export both on one grid, or resample the label to the image",
        )  # fmt: skip
        return False
    if distance > ACCEPTED_VOXELS:
        findings.add(
            "warning", "affine-offset", path,
            found=f"a grid that lies up to {distance:.2f} voxels off {image}",
            expected=f"the same grid, to {ACCEPTED_VOXELS} voxels",
            fix="look at both in a viewer; export both on one grid if they do not match",
        )  # fmt: skip
    else:
        look.offset_voxels = max(look.offset_voxels, distance)
    return True
