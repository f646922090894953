"""Who is scanned: body size, fat, breathing position, and how bright each tissue is in the contrast phase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seg.data.phantom.shapes import Axes, Canvas, Field, smooth_field, soft_step, stream
from seg.types import SpacingMm

Phase = Literal["native", "arterial", "portal"]

# Mean HU: native, late arterial, portal venous; then the standard deviation between patients. Typical values: they
# are meant to make tissues overlap as they do on patients, not for dosimetry.
# Source: native means after Lamba et al. 2014 (AJR 203:1013, soft tissues on unenhanced CT); enhancement after Bae 2010
# (Radiology 256:32, contrast medium administration and scan timing) and Foley et al. 2000 (AJR 174:279, multiphase CT).
TISSUE_HU: dict[str, tuple[float, float, float, float]] = {
    "liver": (56, 74, 106, 11),
    "spleen": (47, 118, 116, 10),
    "pancreas": (40, 98, 90, 11),
    "kidney_cortex": (31, 170, 182, 18),
    "kidney_medulla": (29, 72, 168, 18),
    "bowel_wall": (38, 82, 84, 10),
    "muscle": (52, 58, 63, 5),
    "aorta": (40, 290, 152, 22),
    "vena_cava": (38, 82, 128, 16),
    "portal_vein": (40, 128, 166, 16),
    "hepatic_vein": (39, 62, 158, 16),
    "bile": (8, 8, 9, 5),
    "adrenal": (25, 60, 65, 8),
    "marrow": (165, 175, 185, 35),
    "disc": (82, 86, 90, 10),
    "fat": (-106, -104, -103, 5),
    "heart": (42, 210, 140, 15),
}
_PHASES: tuple[Phase, ...] = ("native", "arterial", "portal")
_PHASE_SHARES = (0.15, 0.2, 0.65)


@dataclass(frozen=True)
class Patient:
    """One patient's draws that several structures need; every structure draws the rest from a stream of its own."""

    seed: int
    number: int
    phase: Phase
    scale: tuple[float, float, float]
    """Size relative to the reference body along x, y, z."""
    subcutaneous_mm: float
    visceral_mm: float
    """Typical layer of fat between neighbouring organs."""
    breath_mm: float
    """How far the diaphragm and what hangs on it stand below the middle position."""
    position_mm: tuple[float, float, float]
    """The body's place (z, y, x) that lies in the middle of the picture."""
    age: float
    """0 young to 1 old: fatty, lobulated pancreas, softer bone."""
    hu: dict[str, float]

    def stream(self, structure: str) -> np.random.Generator:
        """Random numbers of one structure of this patient."""
        return stream(self.seed, self.number, structure)


def draw_patient(number: int, seed: int) -> Patient:
    """The patient of that number; the same numbers give the same patient whatever the scanner and the grid."""
    rng = stream(seed, number, "patient")
    phase = int(rng.choice(3, p=_PHASE_SHARES))
    size = rng.normal(0, 0.06)
    visceral = float(np.clip(rng.gamma(1.7, 1.8), 0.2, 9.0))
    girth = 1 + np.clip(size, -0.12, 0.14) + 0.012 * (visceral - 3.0)
    height = 1 + 0.5 * np.clip(size, -0.12, 0.14) + rng.normal(0, 0.025)
    return Patient(
        seed=seed,
        number=number,
        phase=_PHASES[phase],
        scale=(float(girth * (1 + rng.normal(0, 0.02))), float(girth * (1 + rng.normal(0, 0.04))), float(height)),
        subcutaneous_mm=float(np.clip(4 + 1.7 * visceral + rng.gamma(2.0, 2.5), 4, 40)),
        visceral_mm=visceral,
        breath_mm=float(rng.normal(0, 7)),
        position_mm=(float(rng.normal(16, 5)), float(rng.normal(8, 5)), float(np.clip(rng.normal(0, 5), -10, 10))),
        age=float(rng.uniform(0, 1)),
        hu=_draw_hu(rng, phase),
    )


def _draw_hu(rng: np.random.Generator, phase: int) -> dict[str, float]:
    timing = rng.normal(0, 0.12)
    drawn: dict[str, float] = {}
    for tissue, row in TISSUE_HU.items():
        enhancement = (row[phase] - row[0]) * (1 + timing)
        drawn[tissue] = float(row[0] + enhancement + rng.normal(0, row[3] * (0.5 if phase == 0 else 1.0)))
    # Steatosis. Source: prevalence about one in five and a fall of 10-40 HU, Boyce et al. 2010 (AJR 194:623).
    if rng.random() < 0.2:
        drawn["liver"] -= rng.uniform(10, 40)
    return drawn


def blank_canvas(patient: Patient, axes: Sequence[Field], spacing_mm: SpacingMm) -> Canvas:
    """Air, and the body coordinates of every voxel after this patient's size and smooth deformation."""
    rng = patient.stream("shape")
    planes: Axes = (axes[0], axes[1], axes[2])
    z, y, x = np.meshgrid(*planes, indexing="ij", sparse=True)
    coarse = [smooth_field(rng, planes, 75.0) for _ in range(3)]
    fine = [smooth_field(rng, planes, 28.0) for _ in range(3)]
    # The spine bends less than the organs in front of it.
    loose = np.float32(0.25) + np.float32(0.75) * soft_step(30 - y, 15)
    body = [
        axis / np.float32(scale) + loose * (np.float32(7.0) * wide + np.float32(2.2) * narrow)
        for axis, scale, wide, narrow in zip((x, y, z), patient.scale, coarse, fine, strict=True)
    ]
    difference = max(float(np.abs(b - axis).max()) for b, axis in zip(body, (x, y, z), strict=True))
    hu = np.full(body[0].shape, -1000, np.float32)
    texture = smooth_field(rng, planes, 6.0)
    return Canvas(planes, spacing_mm, body[0], body[1], body[2], difference, texture, hu)
