"""What one look at a case saw, and the list that findings of all cases go to."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from seg.data.organs import OrganSource, organ_mask
from seg.errors import SegError
from seg.records import Case, Finding, Severity, relative
from seg.types import AnyArray, SpacingMm

TOO_MANY_VALUES = 256
"""A label map with more values than this is a scan, or labels that were smoothed."""


@dataclass
class Findings:
    """The growing list of what was seen, with paths relative to the root."""

    root: str
    rows: list[Finding] = field(default_factory=list)

    def add(self, severity: Severity, code: str, path: str | Path, *, found: str, expected: str, fix: str) -> None:
        """Append one finding."""
        self.rows.append(Finding(severity, code, relative(path, self.root), found, expected, fix))

    def refused(self, error: SegError, path: str | Path) -> None:
        """Append what a reader raised; `path` stands in where the error names none."""
        where = error.path or path
        self.add("error", error.code, where, found=error.found, expected=error.expected, fix=error.fix)


@dataclass(frozen=True)
class ImageFile:
    """What one image file holds."""

    path: str
    sha256: str
    """Of the voxels in the radiological view as float32, so that neither orientation nor pixel type hides a copy."""
    minimum: float
    maximum: float
    pixel_type: str

    @property
    def constant(self) -> bool:
        """All voxels are equal."""
        return self.minimum == self.maximum


@dataclass
class CaseLook:
    """What one case holds, as far as its files could be read."""

    case: Case
    shape: tuple[int, int, int] | None = None
    """(z, y, x), with the largest y and x where pictures differ; None where no image could be read."""
    spacing_mm: SpacingMm | None = None
    images: list[list[ImageFile]] = field(default_factory=list)
    """Per channel the files that could be read."""
    plane_sizes: set[tuple[int, int]] = field(default_factory=set)
    label_values: Counter[int] = field(default_factory=Counter)
    """Voxels per value of label maps."""
    label_read: bool = False
    """At least one label file could be read and fits its image."""
    mask_voxels: Counter[str] = field(default_factory=Counter)
    """Voxels per organ where every structure has a mask file."""
    offset_voxels: float = 0.0
    """How far label and image lie apart, where it was tolerated."""

    @property
    def files(self) -> list[ImageFile]:
        """Every image file of every channel."""
        return [file for channel in self.images for file in channel]

    def organ_voxels(self, source: OrganSource) -> int | None:
        """Voxels of an organ; None where its labels could not be read."""
        if source.values:
            return sum(self.label_values[value] for value in source.values) if self.label_read else None
        return self.mask_voxels.get(source.organ)

    def count_labels(self, maps: Mapping[str, AnyArray], sources: Sequence[OrganSource]) -> None:
        """Add one plane of labels, `{mask name: (y, x)}`."""
        self.label_read = True
        if "" in maps:
            counts = np.bincount(maps[""].ravel())
            self.label_values.update({int(value): int(counts[value]) for value in np.flatnonzero(counts)})
        for source in sources:
            if source.files and set(source.files) <= set(maps):
                self.mask_voxels[source.organ] += int(np.count_nonzero(organ_mask(maps, source)))


def image_file(path: str, planes: Iterable[AnyArray], pixel_type: str) -> ImageFile:
    """One look at the planes (y, x) of a file; never more than a plane is copied."""
    digest = hashlib.sha256()
    low, high = float("inf"), float("-inf")
    for plane in planes:
        digest.update(f"{plane.shape}".encode())
        digest.update(np.ascontiguousarray(plane, dtype="<f4").data)
        low, high = min(low, float(plane.min())), max(high, float(plane.max()))
    return ImageFile(path, digest.hexdigest(), low, high, pixel_type)
