"""What features take on disk: said before they are made, and refused where it is too much."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from seg.errors import ResourceError, SegError, UsageError
from seg.models.network import SIZE_STEP
from seg.transfer._feature_layout import Layout

_BYTES = 2
"""Of a number in half precision."""


@dataclass(frozen=True)
class Sizes:
    """How much there is to keep."""

    layout: Layout
    masks: int
    """Bytes of a slice's masks."""
    slices: int
    views: int
    missing: int
    """Of all slices in all views, those that are not kept yet."""
    size_px: int
    folder: Path

    @property
    def per_slice(self) -> int:
        """Bytes of one slice in one view."""
        return _BYTES * self.layout.values + self.masks

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return self.per_slice * self.slices * self.views

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person should know before it is made, level by level, the deepest first."""
        new = self.per_slice * self.missing
        there = "nothing of it there yet" if new == self.total else f"{size_text(self.total - new)} of it there already"
        free = f"{size_text(_free_bytes(self.folder))} free in {self.folder}"
        return (
            f"Features of {self.slices} slices in {self._views}, in half precision:",
            *(f"  {level}" for level in self._levels()),
            f"  in all {size_text(self.total)}, {there}; {free}",
        )

    def check(self, limit_gb: float) -> None:
        """Raise UsageError where everything is beyond the limit, ResourceError where the disk lacks the room."""
        new, free = self.per_slice * self.missing, _free_bytes(self.folder)
        if self.total > limit_gb * 1e9:
            raise self._too_large(UsageError, f"at most {limit_gb:g} GB (feature_extract.limit_gb)", limit_gb * 1e9)
        if new > free:
            expected = f"at most {size_text(free)} more, which is what the disk has free"
            raise self._too_large(ResourceError, expected, self.total - new + free)

    def _too_large(self, kind: type[SegError], expected: str, room: float) -> SegError:
        levels = "; ".join(self._levels())
        return kind(
            found=f"features of {size_text(self.total)} for {self.slices} slices in {self._views} ({levels})",
            expected=expected, fix=f"{self._what_fits(room)}, or use strategy freeze, which keeps nothing on disk",
            path=self.folder, code="feature-cache-size",
        )  # fmt: skip

    def _what_fits(self, room: float) -> str:
        one_view = self.per_slice * self.slices
        if (views := math.floor(room / one_view)) >= 1:
            return f"use feature_extract.views={views}, which needs {size_text(views * one_view)}"
        side = math.floor(self.size_px * math.sqrt(room / one_view) / SIZE_STEP) * SIZE_STEP
        if side < SIZE_STEP:
            return "use fewer patients (data.labelled), or another disk (prepare.cache)"
        return f"use feature_extract.views=1 with prepare.size_px={side}"

    @property
    def _views(self) -> str:
        return "one view" if self.views == 1 else f"{self.views} views"

    def _levels(self) -> list[str]:
        copies = _BYTES * self.slices * self.views
        found = []
        for number, shape in reversed(list(enumerate(self.layout.maps))):
            if math.prod(shape):
                sides = " x ".join(map(str, shape))
                found.append(f"level {number} ({sides}) {size_text(copies * math.prod(shape))}")
        rest = copies * math.prod(self.layout.image) + self.masks * self.slices * self.views
        return [*found, f"images and masks {size_text(rest)}"]


def size_text(count: float) -> str:
    """`640 kB`, `41 MB`, `3.4 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.{1 if unit == 'GB' else 0}f} {unit}"
    return f"{count / 1e3:.0f} kB"


def _free_bytes(folder: Path) -> int:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
