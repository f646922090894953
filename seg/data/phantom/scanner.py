"""From tissue to scan: field of view, blur of kernel and slice, noise that follows dose and body, beam hardening."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from seg.data.phantom.shapes import Canvas, Field, stream
from seg.types import SpacingMm

Scanner = Literal["a", "b"]


@dataclass(frozen=True)
class _Machine:
    blur_mm: float
    """Standard deviation of the in-plane point spread."""
    slice_blur: float
    """Standard deviation of the slice profile, in slices."""
    noise_hu: tuple[float, float]
    """Lowest and highest noise level, by dose, at the usual voxel size."""
    grain_mm: float
    """Correlation length of the noise."""
    gain: float
    offset_hu: float
    cupping_hu: float
    """How much darker the middle of the body is than its rim: beam hardening that was not corrected."""
    spacing_factor: tuple[float, float]
    """Slice distance and pixel size relative to scanner a."""


_USUAL_VOXEL_MM3 = 46.0
_MACHINES: dict[str, _Machine] = {
    "a": _Machine(0.9, 0.35, (10.0, 32.0), 1.3, 1.0, 0.0, 0.0, (1.0, 1.0)),
    "b": _Machine(1.9, 0.6, (16.0, 40.0), 2.4, 0.93, 7.0, 14.0, (1.2, 1.12)),
}


def default_spacing(scanner: Scanner, size: tuple[int, int, int], body_mm: float) -> SpacingMm:
    """Spacing that covers the liver from dome to tip and a body of that width, as an operator would choose it."""
    along, within = _MACHINES[scanner].spacing_factor
    pixel = within * (body_mm + 42) / min(size[1:])
    return (along * 186 / size[0], pixel, pixel)


def scan(canvas: Canvas, key: tuple[int, int], scanner: Scanner) -> Field:
    """What the machine makes of the painted tissue, in HU."""
    machine = _MACHINES[scanner]
    rng = stream(*key, "scanner", scanner)
    sigmas = (machine.slice_blur, machine.blur_mm / canvas.spacing_mm[1], machine.blur_mm / canvas.spacing_mm[2])
    hu = gaussian_filter(canvas.hu, sigmas, truncate=3)
    inside = gaussian_filter(
        (hu > -500).astype(np.float32), (0, 6.0 / canvas.spacing_mm[1], 6.0 / canvas.spacing_mm[2])
    )
    depth = inside * _towards_middle(canvas)
    hu = machine.gain * hu + inside * (machine.offset_hu - machine.cupping_hu * depth)
    # Smaller voxels catch fewer photons; reconstruction smooths part of that away.
    dose = rng.uniform(*machine.noise_hu) * (_USUAL_VOXEL_MM3 / float(np.prod(canvas.spacing_mm))) ** 0.25
    scanned: Field = hu + np.float32(dose) * (0.55 + 0.65 * depth) * _grain(rng, canvas, machine.grain_mm)
    return scanned


def _towards_middle(canvas: Canvas) -> Field:
    middle: Field = np.exp(-((canvas.x / np.float32(120)) ** 2) - ((canvas.y / np.float32(85)) ** 2))
    return middle


def _grain(rng: np.random.Generator, canvas: Canvas, grain_mm: float) -> Field:
    """Noise of standard deviation 1 with the band-pass look of filtered back-projection.

    Source: ramp-filtered noise power, Riederer et al. 1978 (Phys Med Biol 23:446): no power at frequency zero.
    """
    white = rng.standard_normal(canvas.hu.shape, dtype=np.float32)
    fine = [0.25, grain_mm / canvas.spacing_mm[1] * 0.7, grain_mm / canvas.spacing_mm[2] * 0.7]
    wide = [0.25, fine[1] * 3 + 0.8, fine[2] * 3 + 0.8]
    grain = gaussian_filter(white, fine, truncate=3) - np.float32(0.8) * gaussian_filter(white, wide, truncate=2.5)
    scaled: Field = grain / np.float32(grain.std() + 1e-6)
    return scaled


def draw_table(canvas: Canvas, width_mm: float, back_mm: float) -> None:
    """Two thin curved shells below the back, not deformed with the patient."""
    _, y, x = np.meshgrid(*canvas.axes, indexing="ij", sparse=True)
    for gap, hu in ((4.0, 60.0), (24.0, -150.0)):
        curve = y - np.float32(back_mm + gap) + 0.0008 * x**2
        plane = np.ascontiguousarray(np.broadcast_to(curve, canvas.hu.shape))
        share = canvas.occupancy(plane - np.float32(2.5)) - canvas.occupancy(plane + np.float32(2.5))
        share = share * (np.abs(x) < 0.42 * width_mm)
        canvas.hu += share * (np.float32(hu) - canvas.hu)
