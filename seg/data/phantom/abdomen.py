"""A synthetic abdomen with known answers: CT in HU, labels, geometry. The default data and the tests' data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seg.data.phantom.anatomy import draw_abdomen
from seg.data.phantom.patient import Patient, blank_canvas, draw_patient
from seg.data.phantom.scanner import Scanner, default_spacing, draw_table, scan
from seg.errors import UsageError
from seg.types import Affine, SpacingMm

PHANTOM_LABELS: dict[str, int] = {
    "liver": 1,
    "pancreas": 2,
    "spleen": 3,
    "kidney_right": 4,
    "kidney_left": 5,
    "stomach": 6,
    "gallbladder": 7,
    "duodenum": 8,
    "aorta": 9,
    "inferior_vena_cava": 10,
    "portal_vein_and_splenic_vein": 11,
}
DEFAULT_SIZE = (32, 128, 128)
_SMALLEST = 8


@dataclass(frozen=True)
class Phantom:
    """One synthetic scan."""

    hu: NDArray[np.int16]
    """(z, y, x) in LPS: [0, 0, 0] is the patient's lowest, foremost, rightmost voxel."""
    labels: NDArray[np.uint8]
    """(z, y, x), values of PHANTOM_LABELS where a structure fills at least half of the voxel."""
    affine: Affine
    """Index (x, y, z), so of the transposed arrays, to RAS+ millimetres."""
    spacing_mm: SpacingMm
    phase: str
    """native, arterial or portal."""


def make_phantom(
    patient: int,
    *,
    seed: int = 0,
    scanner: Scanner = "a",
    size: tuple[int, int, int] = DEFAULT_SIZE,
    spacing_mm: SpacingMm | None = None,
) -> Phantom:
    """The scan of one patient; the same arguments give the same voxels.

    The anatomy depends on (seed, patient) alone and lives in mm: another scanner or grid sees the same patient.

    Args:
        patient: Number of the patient, from 0.
        seed: Which population the patient comes from.
        scanner: `b` blurs more, is noisier, and has another HU scale, beam hardening and spacing than `a`.
        size: Voxels along (z, y, x), at least 8 each.
        spacing_mm: Voxel size along (z, y, x); None lets the field of view follow the body.

    Raises:
        UsageError: Where size, spacing, patient or scanner cannot be meant.
    """
    _check(patient, seed, scanner, size, spacing_mm)
    person = draw_patient(patient, seed)
    width = 2 * (142 + person.subcutaneous_mm) * person.scale[0]
    spacing = spacing_mm or default_spacing(scanner, size, width)
    axes = [
        ((np.arange(count) - (count - 1) / 2) * step + middle).astype(np.float32)
        for count, step, middle in zip(size, spacing, person.position_mm, strict=True)
    ]
    canvas = blank_canvas(person, axes, spacing)
    draw_table(canvas, width, _back_mm(person))
    draw_abdomen(canvas, person)
    hu = np.clip(np.rint(scan(canvas, (seed, patient), scanner)), -1024, 3071).astype(np.int16)
    labels = np.zeros(size, np.uint8)
    for name, share in canvas.shares.items():
        labels[share >= 0.5] = PHANTOM_LABELS[name]
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    affine[:3, 3] = (-axes[2][0], -axes[1][0], axes[0][0])
    return Phantom(hu, labels, affine, spacing, person.phase)


def _back_mm(person: Patient) -> float:
    return (109 + 1.25 * person.subcutaneous_mm) * person.scale[1]


def _check(patient: int, seed: int, scanner: str, size: tuple[int, int, int], spacing_mm: SpacingMm | None) -> None:
    if patient < 0 or seed < 0:
        raise _unusable(f"patient {patient}, seed {seed}", "numbers from 0")
    if scanner not in ("a", "b"):
        raise _unusable(f"scanner {scanner!r}", "a or b")
    if len(size) != 3 or min(size) < _SMALLEST:
        raise _unusable(f"size {size}", f"three sides (z, y, x) of at least {_SMALLEST} voxels")
    if spacing_mm is not None and not all(0 < step < 100 for step in spacing_mm):
        raise _unusable(f"spacing {spacing_mm} mm", "three distances above 0 and below 100 mm")


def _unusable(found: str, expected: str) -> UsageError:
    return UsageError(found=found, expected=expected, fix="change the arguments of the phantom", code="phantom")
