"""What only shows when all cases lie side by side: copies, outliers, cases that do not belong together."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from seg.config import Data
from seg.data.checks.look import CaseLook, Findings, ImageFile
from seg.records import Case, DataSet

SMALLEST_SIDE_PX = 32
"""The encoder halves a slice five times."""
SPACING_OUTLIER = 3.0
"""A voxel size so many times off the median is taken for a wrong header."""
WRAPPED_HU = 60_000
"""Unsigned 16-bit numbers up here are air (-1024 HU) that wrapped around."""


def check_together(looks: Sequence[CaseLook], data_set: DataSet, settings: Data, findings: Findings) -> None:
    """Note what is wrong with images, alone and beside each other."""
    readable = [look for look in looks if look.shape is not None]
    for look in readable:
        _check_size(look, findings)
        _check_content(look, findings)
        _check_hounsfield(look, data_set, settings, findings)
    _check_copies(readable, findings)
    _check_names([look.case for look in looks], findings)
    _check_channels([look.case for look in looks], findings)
    _check_spacing(readable, findings)
    _check_alike(readable, data_set, findings)


def image_place(case: Case) -> str:
    """The path that findings on a case's image name: its first file."""
    return case.channels[0][0]


def _check_size(look: CaseLook, findings: Findings) -> None:
    smallest = min(look.plane_sizes)
    if min(smallest) < SMALLEST_SIDE_PX:
        findings.add(
            "error", "tiny-image", image_place(look.case),
            found=f"slices of {smallest[0]} x {smallest[1]} pixels (y, x)",
            expected=f"at least {SMALLEST_SIDE_PX} pixels on each side",
            fix="check that slices lie across the body's long axis; take thumbnails and localisers away",
        )  # fmt: skip


def _check_content(look: CaseLook, findings: Findings) -> None:
    for files in look.images:
        if files and all(file.constant for file in files):
            findings.add(
                "error", "constant-image", files[0].path,
                found=f"nothing but the value {files[0].minimum:g}", expected="a picture of something",
                fix="export the scan again",
            )  # fmt: skip


def _check_hounsfield(look: CaseLook, data_set: DataSet, settings: Data, findings: Findings) -> None:
    """Whether CT numbers can be Hounsfield units: air is about -1000, so that something must lie far below 0."""
    for number, files in enumerate(look.images):
        if not files or not _is_ct(number, data_set, settings):
            continue
        low, high = min(file.minimum for file in files), max(file.maximum for file in files)
        seen = f"numbers from {low:g} to {high:g}"
        if files[0].pixel_type == "uint16" and high >= WRAPPED_HU:
            findings.add(
                "error", "ct-wrapped", files[0].path, found=f"{seen} in unsigned 16 bit",
                expected="Hounsfield units, with air at about -1000",
                fix="export the scan as int16: its negative numbers have wrapped around",
            )  # fmt: skip
        elif low >= 0:
            findings.add(
                "warning", "ct-not-rescaled", files[0].path, found=seen,
                expected="Hounsfield units, with air at about -1000",
                fix="apply RescaleSlope and RescaleIntercept on export, or set data.modality=picture if it is windowed",
            )  # fmt: skip


def _is_ct(channel: int, data_set: DataSet, settings: Data) -> bool:
    if settings.modality != "auto":
        return settings.modality == "ct"
    names = data_set.channel_names
    return channel < len(names) and "ct" in names[channel].lower().replace("_", " ").split()


def _check_copies(looks: Sequence[CaseLook], findings: Findings) -> None:
    """The same voxels twice; empty slices are alike without being copies."""
    seen: dict[str, tuple[ImageFile, str]] = {}
    for look in looks:
        for file in look.files:
            if file.constant:
                continue
            first, patient = seen.setdefault(file.sha256, (file, look.case.patient))
            if first is file:
                continue
            other = patient != look.case.patient
            findings.add(
                "error" if other else "warning", "duplicate-voxels", file.path,
                found=f"the same voxels as {first.path.removeprefix(findings.root).lstrip('/')}"
                + (f" of another patient ({patient})" if other else " of the same patient"),
                expected="every image once" + (", so that no patient both trains and judges" if other else ""),
                fix="take one of the two away, or give both the same patient",
            )  # fmt: skip


def _check_names(cases: Sequence[Case], findings: Findings) -> None:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.name.casefold()].append(case)
    for group in groups.values():
        for case in group[1:]:
            same = case.name == group[0].name
            findings.add(
                "error" if same else "warning", "case-clash", image_place(case),
                found=f"a case named {case.name!r} beside {group[0].name!r}",
                expected="names that differ by more than upper and lower case", fix="rename one of them",
            )  # fmt: skip


def _check_channels(cases: Sequence[Case], findings: Findings) -> None:
    if not cases:
        return
    usual = Counter(len(case.channels) for case in cases).most_common(1)[0][0]
    for case in cases:
        if len(case.channels) != usual:
            findings.add(
                "error", "channel-count", image_place(case), found=f"{len(case.channels)} channels",
                expected=f"{usual}, as most cases have", fix="add the missing channel, or take the case away",
            )  # fmt: skip


def _check_spacing(looks: Sequence[CaseLook], findings: Findings) -> None:
    spaced = [(look, look.spacing_mm) for look in looks if look.spacing_mm is not None]
    if not spaced:
        return
    median = tuple(float(size) for size in np.median([spacing for _, spacing in spaced], axis=0))
    for look, spacing in spaced:
        ratio = np.asarray(spacing) / np.asarray(median)
        if (ratio > SPACING_OUTLIER).any() or (ratio < 1 / SPACING_OUTLIER).any():
            findings.add(
                "warning", "spacing-outlier", image_place(look.case),
                found=f"voxels of {_millimetres(spacing)} (z, y, x)",
                expected=f"about {_millimetres(median)}, the median of this data set",
                fix="compare the header with the original; take the scan away if it is another kind",
            )  # fmt: skip


def _millimetres(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:.3g}" for size in sizes) + " mm"


def _check_alike(looks: Sequence[CaseLook], data_set: DataSet, findings: Findings) -> None:
    """Sizes and pixel types of pictures; volumes carry a spacing and may differ."""
    flat = [look for look in looks if look.spacing_mm is None]
    sizes = Counter(size for look in flat for size in look.plane_sizes)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        findings.add(
            "note", "mixed-sizes", data_set.root,
            found=f"pictures of {len(sizes)} sizes, from {min(sizes)} to {max(sizes)} (y, x)",
            expected=f"one size; most are {usual}",
            fix="nothing, if all show the same field of view: each is brought to the network's size by itself",
        )  # fmt: skip
    types = Counter(file.pixel_type for look in flat for file in look.files)
    usual_type = types.most_common(1)[0][0] if types else ""
    for look in flat:
        for file in look.files:
            if file.pixel_type != usual_type:
                findings.add(
                    "error", "mixed-depth", file.path, found=f"{file.pixel_type} pixels",
                    expected=f"{usual_type}, as most pictures have",
                    fix="export all pictures with one number of bits: the same grey must mean the same",
                )  # fmt: skip
