"""The trunk around the organs: skin, fat, muscle, lungs, diaphragm, heart, spine and ribs."""

import numpy as np

from seg.data.phantom.patient import Patient
from seg.data.phantom.shapes import Canvas, Field, ramp, soft_max, soft_step

BONE_HU = 420.0
LUNG_HU = -850.0


def _rounded_box(canvas: Canvas, centre_y: float, half_x: float, half_y: float, power: float) -> Field:
    """Signed distance to a superellipse in each slice, measured along the ray from its centre."""
    x, y = canvas.x, canvas.y - np.float32(centre_y)
    radius = (np.abs(x / half_x) ** power + np.abs(y / half_y) ** power + 1e-9) ** (1 / power)
    distance: Field = (np.sqrt(x**2 + y**2 + 1e-4) * (1 - 1 / radius)).astype(np.float32)
    return distance


def draw_trunk(canvas: Canvas, patient: Patient) -> Field:
    """Paint skin, fat, muscle wall and the fat-filled cavity; returns the signed distance to the wall's inner side."""
    rng = patient.stream("trunk")
    narrow = ramp(canvas.z, [(-90, 8.0), (-20, 5.0), (50, 0.0), (120, 10.0)])
    power = rng.uniform(2.1, 2.6)
    wall = _rounded_box(canvas, 3, 142, 106, power) + narrow
    cavity = _rounded_box(canvas, -10, 127, 86, power) + narrow
    behind = soft_step(canvas.y - 20, 40)
    thickness = np.float32(patient.subcutaneous_mm) * (0.75 + 0.5 * behind + 0.2 * soft_step(np.abs(canvas.x) - 60, 40))
    skin = wall - thickness
    outside, beneath = canvas.occupancies(skin, 0.0, -2.0)
    canvas.paint(canvas.whole, outside, rng.normal(25, 10))
    fat = canvas.parenchyma(canvas.whole, patient.hu["fat"], 5)
    canvas.paint(canvas.whole, beneath, fat)
    muscle, deep = canvas.occupancies(wall, 0.0, -2.0)
    canvas.paint(canvas.whole, muscle, canvas.parenchyma(canvas.whole, patient.hu["muscle"], 5 + 12 * patient.age))
    seam = np.exp(-(((wall - 0.45 * (wall - cavity)) / 1.1) ** 2)) * soft_step(60 - np.abs(canvas.y + 10), 25)
    canvas.paint(canvas.whole, (0.55 * seam).astype(np.float32) * deep, patient.hu["fat"])
    canvas.paint(canvas.whole, canvas.occupancy(cavity), canvas.parenchyma(canvas.whole, patient.hu["fat"] + 8, 14))
    return cavity


def draw_chest(canvas: Canvas, patient: Patient, cavity: Field) -> Field:
    """Paint lungs and heart above the diaphragm; returns the signed distance to the abdomen below it."""
    rng = patient.stream("chest")
    right, left = 99 + rng.normal(0, 4), 87 + rng.normal(0, 5)
    dome = np.maximum(_dome(canvas, -58, right - patient.breath_mm, -1), _dome(canvas, 62, left - patient.breath_mm, 1))
    above = dome - canvas.z
    chest = soft_max(cavity + 1.5, above, 3)
    canvas.paint(canvas.whole, canvas.occupancy(chest), canvas.parenchyma(canvas.whole, LUNG_HU, 40))
    _effusion(canvas, rng, chest)
    top = 118 - patient.breath_mm
    region = canvas.region(((-60, 96), (-98, 14), (top - 55, top + 55)))
    heart = canvas.ellipsoid(region, (18, -42, top), (68, 46, 45))
    rim, inside = canvas.occupancies(soft_max(heart, above[region] + 1, 8), 4.0, 0.0)
    canvas.paint(region, rim, patient.hu["fat"])
    canvas.paint(region, inside, canvas.parenchyma(region, patient.hu["heart"], 10))
    spine = np.sqrt((canvas.x / 1.15) ** 2 + (canvas.y - 52) ** 2) - 27
    abdomen = soft_max(soft_max(cavity + 1.0, canvas.z - dome + 1, 5), -spine, 8)
    _lining(canvas, patient, rng, abdomen)
    return abdomen


def _lining(canvas: Canvas, patient: Patient, rng: np.random.Generator, abdomen: Field) -> None:
    """The muscle of the diaphragm and, in one of ten, ascites: what makes an organ's outer edge hard to see."""
    muscle, inside = canvas.occupancies(abdomen, rng.uniform(0.5, 2.5), 0.0)
    upper = soft_step(canvas.z - 10, 15)
    canvas.paint(canvas.whole, muscle * upper, patient.hu["muscle"])
    canvas.paint(canvas.whole, inside * upper, canvas.parenchyma(canvas.whole, patient.hu["fat"] + 8, 14))
    if rng.random() < 0.1:
        flank = np.maximum(abdomen + 1, np.float32(rng.uniform(35, 70)) - np.abs(canvas.x))
        canvas.paint(canvas.whole, canvas.occupancy(flank), rng.uniform(3, 22))


def _effusion(canvas: Canvas, rng: np.random.Generator, chest: Field) -> None:
    """Behind and low in every third chest: fluid or collapsed lung, which hides the edge of liver and spleen."""
    if rng.random() > 0.35:
        return
    level = rng.uniform(25, 62)
    pool = soft_max(chest, np.float32(level) - canvas.y + 4 * canvas.texture, 4)
    canvas.paint(canvas.whole, canvas.occupancy(pool), canvas.parenchyma(canvas.whole, rng.uniform(5, 75), 6))


def _dome(canvas: Canvas, centre_x: float, top: float, side: int) -> Field:
    across = (canvas.x - np.float32(centre_x)) * side
    across = across / np.where(across > 0, np.float32(58), np.float32(105))
    along = (canvas.y + 12) / 82
    fall: Field = (across**2 + along**2).astype(np.float32)
    return np.float32(top) - np.float32(40) * fall * np.sqrt(fall)


def draw_bones(canvas: Canvas, patient: Patient, cavity: Field) -> None:
    """Paint psoas and back muscles, vertebrae with discs and canal, and the ribs in the wall."""
    _back_muscles(canvas, patient)
    rng = patient.stream("bones")
    marrow = patient.hu["marrow"] - 60 * patient.age
    phase = rng.uniform(0, 34)
    _vertebrae(canvas, marrow, patient.hu["disc"], phase)
    _ribs(canvas, marrow, cavity, rng.uniform(0, 30))


def _back_muscles(canvas: Canvas, patient: Patient) -> None:
    region = canvas.region(((-90, 90), (20, 115), (-200, 200)))
    hu = canvas.parenchyma(region, patient.hu["muscle"], 5 + 12 * patient.age)
    z = canvas.z[region]
    size = ramp(z, [(-80, 21.0), (-20, 13.0), (30, 6.0), (60, -6.0)])
    for side in (-1, 1):
        x = canvas.x[region] * side
        y = canvas.y[region]
        psoas = np.sqrt((x - 30 - 0.35 * (size - 12)) ** 2 + ((y - 56) / 1.1) ** 2) - size
        rim, inside = canvas.occupancies(psoas, 2.0, 0.0)
        canvas.paint(region, rim, patient.hu["fat"])
        canvas.paint(region, inside, hu)
        quadratus = np.sqrt(((x - 62) / 2.2) ** 2 + (y - 76) ** 2) - 7 * soft_step(20 - z, 15)
        canvas.paint(region, canvas.occupancy(quadratus), hu)
    crus = np.sqrt((canvas.x[region] / 2.1) ** 2 + (canvas.y[region] - 36) ** 2) - 11 * soft_step(z - 5, 15)
    canvas.paint(region, canvas.occupancy(crus), hu)


def _vertebrae(canvas: Canvas, marrow: float, disc_hu: float, phase: float) -> None:
    region = canvas.region(((-50, 50), (25, 125), (-200, 200)))
    x, y, z = canvas.x[region], canvas.y[region], canvas.z[region]
    level = np.abs((z - phase + 17) % 34 - 17)
    waist = ramp(level, [(0, 1.8), (8, 1.0), (14, -0.5)])
    body = (np.sqrt((x / 1.28) ** 2 + (y - 49) ** 2) - (17.5 - waist)).astype(np.float32)
    canal = np.sqrt((x / 1.15) ** 2 + (y - 75) ** 2) - 8.5
    spinous = np.sqrt((x * 2.6) ** 2 + ((y - 93) / 1.5) ** 2) - 11 * soft_step(11 - level, 4)
    ring = np.abs(canal - 3.0) - 3.0 - 1.5 * soft_step(10 - level, 5)
    wings = np.sqrt((np.abs(x) - 26) ** 2 / 5 + (y - 76) ** 2) - 5.5 * soft_step(8 - level, 3)
    arch = np.minimum(np.minimum(ring, spinous), wings).astype(np.float32)
    arch_hu = np.float32(BONE_HU - 120) + np.float32(60) * canvas.texture[region]
    canvas.paint(region, canvas.occupancy(arch), arch_hu)
    canvas.paint(region, canvas.occupancy(canal), 32.0)
    cortex, inside, spread = canvas.occupancies(body, 0.0, -2.6, -0.5)
    canvas.paint(region, cortex, BONE_HU)
    canvas.paint(region, inside, canvas.parenchyma(region, marrow, 28))
    disc = canvas.occupancy((12.8 - level).astype(np.float32)) * spread
    canvas.paint(region, disc, disc_hu)


def _ribs(canvas: Canvas, marrow: float, cavity: Field, phase: float) -> None:
    """All ribs at once: their height falls along the wall from the spine to the front."""
    angle = np.arctan2(np.abs(canvas.x), canvas.y - 10)
    height = canvas.z + 62 * np.clip(angle, 0, 2.2) - 45
    order = (height - phase + 15) % 30 - 15
    # The costal margin rises towards the breastbone; the last ribs end short.
    margin = ramp(angle, [(0.3, 5.0), (1.0, -35.0), (1.7, -45.0), (2.3, 5.0)])
    floating = soft_step(canvas.z - margin, 6)
    front = soft_step(np.float32(2.3) - angle, 0.08) * soft_step(angle - np.float32(0.28), 0.05)
    rib = np.sqrt((cavity - 6.5) ** 2 + (order * 0.62) ** 2) - 5.2 * floating * front
    rib = rib.astype(np.float32)
    cortex, inside = canvas.occupancies(rib, 0.0, -2.3)
    canvas.paint(canvas.whole, cortex, BONE_HU)
    canvas.paint(canvas.whole, inside, marrow + 20)
