"""One look at a case of pictures: every slice of every channel, with its label."""

import os
from collections.abc import Sequence
from pathlib import Path

from seg.data.checks.look import CaseLook, Findings, ImageFile, image_file
from seg.data.checks.volumes import missing
from seg.data.files.picture import read_picture
from seg.data.organs import OrganSource
from seg.errors import SegError
from seg.records import Case
from seg.types import AnyArray


def look_at_pictures(case: Case, sources: Sequence[OrganSource], findings: Findings) -> CaseLook:
    """Read every slice of every channel and every label, and note what is wrong with them."""
    look = CaseLook(case)
    sizes: dict[int, tuple[int, ...]] = {}
    for files in case.channels:
        look.images.append(_look_at_channel(files, sizes, findings))
    if sizes:
        look.plane_sizes = {(size[0], size[1]) for size in sizes.values()}
        height, width = (max(size[axis] for size in sizes.values()) for axis in (0, 1))
        look.shape = (len(case.channels[0]), height, width)
    for number in range(len(case.channels[0])):
        maps = {}
        for name, labels in case.labels.items():
            plane = _read(labels[number], findings, labels=True)
            if plane is not None and _fits(labels[number], plane, sizes.get(number), findings):
                maps[name] = plane
        if maps:
            look.count_labels(maps, sources)
    return look


def _look_at_channel(files: Sequence[str], sizes: dict[int, tuple[int, ...]], findings: Findings) -> list[ImageFile]:
    """The pictures of one channel; `sizes` learns the size of each slice from the first channel that has it."""
    found = []
    for number, path in enumerate(files):
        plane = _read(path, findings, labels=False)
        if plane is None:
            continue
        if _fits(path, plane, sizes.get(number), findings):
            sizes[number] = plane.shape
            found.append(image_file(path, [plane], str(plane.dtype)))
    for file in found:
        # A case of constant pictures only is judged as a whole, elsewhere.
        if file.constant and len(found) > 1:
            findings.add(
                "warning", "constant-slice", file.path, found=f"nothing but the value {file.minimum:g}",
                expected="a picture of something", fix="take the slice away, or export it again",
            )  # fmt: skip
    return found


def _read(path: str, findings: Findings, *, labels: bool) -> AnyArray | None:
    if not os.path.exists(path):  # Path.exists raises for names that are too long
        findings.refused(missing(labels), path)
        return None
    try:
        return read_picture(Path(path), labels=labels)
    except SegError as error:
        findings.refused(error, path)
        return None


def _fits(path: str, plane: AnyArray, expected: tuple[int, ...] | None, findings: Findings) -> bool:
    if expected is None or plane.shape == expected:
        return True
    findings.add(
        "error", "shape-differs", path, found=f"{plane.shape} pixels (y, x)", expected=f"{expected} as its image",
        fix="export label and image in one size; resize labels with nearest neighbour",
    )  # fmt: skip
    return False
