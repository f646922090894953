"""The solid organs, and the order in which an abdomen is put together."""

import numpy as np

from seg.data.phantom.body import draw_bones, draw_chest, draw_trunk
from seg.data.phantom.bowel import draw_bowel, draw_duodenum, draw_stomach
from seg.data.phantom.patient import Patient
from seg.data.phantom.shapes import Canvas, Field, Region, ramp, smooth_line, soft_max, soft_step
from seg.data.phantom.vessels import draw_great_vessels, draw_liver_vessels, draw_portal_system


def draw_abdomen(canvas: Canvas, patient: Patient) -> None:
    """Paint the whole patient; what is painted later lies over what came before."""
    cavity = draw_trunk(canvas, patient)
    abdomen = draw_chest(canvas, patient, cavity)
    draw_bowel(canvas, patient, abdomen)
    draw_stomach(canvas, patient, abdomen)
    _spleen(canvas, patient, abdomen)
    _liver(canvas, patient, abdomen)
    draw_duodenum(canvas, patient, abdomen)
    _gallbladder(canvas, patient)
    for side in (-1, 1):
        _kidney(canvas, patient, side)
    _adrenals(canvas, patient)
    _pancreas(canvas, patient)
    draw_great_vessels(canvas, patient)
    draw_portal_system(canvas, patient)
    draw_bones(canvas, patient, cavity)


def _organ(
    canvas: Canvas, patient: Patient, region: Region, distance: Field, rim_mm: float, hu: Field, name: str
) -> None:
    """Paint an organ over a rim of fat."""
    rim, inside = canvas.occupancies(distance, rim_mm, 0.0)
    canvas.paint(region, rim, patient.hu["fat"] + 8)
    canvas.paint(region, inside, hu, name)


def _liver(canvas: Canvas, patient: Patient, abdomen: Field) -> None:
    """Everything right of a curved visceral surface, below the diaphragm: dome, right lobe with its tip, left lobe."""
    rng = patient.stream("liver")
    y, z = canvas.y, canvas.z + np.float32(patient.breath_mm)
    tip = rng.normal(0, 14)
    middle = np.float32(rng.normal(10, 8)) + ramp(
        z, [(-75 + tip, -150), (-45 + tip, -112), (-5, -66), (30, -36), (60, -12), (95, -5)]
    )
    lobe = rng.uniform(0.7, 1.4)
    reach = ramp(z, [(0, 0.0), (22, 28 * lobe), (45, 74 * lobe), (66, 88 * lobe), (95, 72 * lobe)])
    front = soft_step(-y - np.float32(rng.uniform(8, 24)), 17)
    surface = (canvas.x - middle - reach * front + np.float32(0.55) * np.clip(y, 0, None)) / np.float32(1.35)
    surface = surface + np.float32(3.0) * canvas.roughness(rng, canvas.whole, 22.0)
    distance = soft_max(surface, abdomen + np.float32(rng.uniform(0.5, 2.5)), rng.uniform(6, 12))
    distance = soft_max(distance, -_fissure(canvas, rng, z), 3)
    hilum = canvas.ellipsoid(canvas.whole, (-24, -2, 26 - patient.breath_mm), (24, 11, 13))
    distance = soft_max(distance, -hilum, 4)
    region = canvas.region(((-150, 125), (-120, 100), (-110, 125)))
    hu = canvas.parenchyma(region, patient.hu["liver"], 4)
    _organ(canvas, patient, region, distance[region], 0.2 * patient.visceral_mm, hu, "liver")
    draw_liver_vessels(canvas, patient)
    _lesions(canvas, patient, rng)


def _fissure(canvas: Canvas, rng: np.random.Generator, z: Field) -> Field:
    """The cleft of the ligamentum teres: fat between the left lobe's parts, deeper and wider below."""
    lean = rng.uniform(-0.1, 0.45)
    bend = 3 * np.sin(canvas.y / 12 + rng.uniform(0, 6))
    width = ramp(z, [(-15, 8.0), (15, 2.5), (rng.uniform(30, 60), -5.0)])
    sheet = np.abs(canvas.x - np.float32(rng.uniform(-8, 14)) - lean * (canvas.y + 60) - bend) - width
    bottom = canvas.y + np.float32(rng.uniform(15, 50))
    cleft: Field = np.maximum(sheet, bottom).astype(np.float32)
    return cleft


def _lesions(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> None:
    """Cysts, metastases or bright nodules in almost half of the livers, as in sets of oncological scans."""
    if rng.random() > 0.45:
        return
    kind = rng.choice(["cyst", "dark", "bright"], p=[0.3, 0.5, 0.2])
    for _ in range(int(rng.integers(1, 6))):
        centre = np.array([rng.uniform(-110, 20), rng.uniform(-60, 55), rng.uniform(-20, 80)])
        radius = float(np.clip(rng.gamma(1.6, 8.0), 3, 45))
        hu = {"cyst": 8.0, "dark": patient.hu["liver"] - 35, "bright": patient.hu["liver"] + 35}[str(kind)]
        low, high = centre - radius - 8, centre + radius + 8
        region = canvas.region(((low[0], high[0]), (low[1], high[1]), (low[2], high[2])))
        distance = canvas.ellipsoid(region, centre, radius * rng.uniform(0.75, 1.25, 3))
        if kind != "cyst":
            distance = distance + np.float32(0.08 * radius) * canvas.texture[region]
        canvas.paint(
            region, canvas.occupancy(distance / np.float32(1.6)), canvas.parenchyma(region, hu, 6), inside="liver"
        )


def _gallbladder(canvas: Canvas, patient: Patient) -> None:
    rng = patient.stream("gallbladder")
    if rng.random() < 0.12:
        return
    size = rng.uniform(0.7, 1.25)
    x, y, z = rng.normal(0, 5, 3)
    line = [
        (-40, -22 + y, 14 + z, 6 * size),
        (-52 + x, -40 + y, 2 + z, 13 * size),
        (-60 + x, -56 + y, -16 + z, 12 * size),
    ]
    region, distance = canvas.tube(smooth_line(line))
    canvas.paint(region, canvas.occupancy(distance), patient.hu["bowel_wall"], "gallbladder")
    canvas.paint(region, canvas.occupancy(distance + 1.5), patient.hu["bile"], "gallbladder")


def _spleen(canvas: Canvas, patient: Patient, abdomen: Field) -> None:
    """A crescent against the left wall, hollow towards the stomach."""
    rng = patient.stream("spleen")
    size = float(np.clip(rng.normal(1, 0.14), 0.7, 1.45))
    centre = (93 + rng.normal(0, 3), 34 + rng.normal(0, 5), 48 + rng.normal(0, 6) - patient.breath_mm)
    radii = (43 * size, 58 * size, 60 * size)
    x, y, z = ((middle - radius - 12, middle + radius + 12) for middle, radius in zip(centre, radii, strict=True))
    region = canvas.region((x, y, z))
    distance = canvas.ellipsoid(region, centre, radii, lean=0.1)
    hollow = canvas.ellipsoid(region, (centre[0] - 54, centre[1] - 34, centre[2] + 4), (43, 50, 84))
    distance = soft_max(soft_max(distance, -hollow, 9), abdomen[region] + np.float32(rng.uniform(1, 3)), 5)
    distance = distance + np.float32(2.0) * canvas.roughness(rng, region, 24.0)
    texture = 18.0 if patient.phase == "arterial" else 4.0
    hu = canvas.parenchyma(region, patient.hu["spleen"], texture)
    _organ(canvas, patient, region, distance, 0.5 * patient.visceral_mm, hu, "spleen")


def _kidney(canvas: Canvas, patient: Patient, side: int) -> None:
    """Cortex, pyramids and a sinus of fat; `side` is -1 for the right and 1 for the left."""
    name = "kidney_left" if side > 0 else "kidney_right"
    rng = patient.stream(name)
    size = float(np.clip(rng.normal(1, 0.07), 0.82, 1.2))
    x, y = side * (64 + rng.normal(0, 3)), 44 + rng.normal(0, 3)
    z = (0.0 if side > 0 else -12.0) + rng.normal(0, 6) - 0.5 * patient.breath_mm
    region = canvas.region(((x - 50, x + 50), (y - 50, y + 50), (z - 85, z + 85)))
    outer = canvas.ellipsoid(region, (x, y, z), (28 * size, 27 * size, 56 * size), lean=-0.22 * side)
    outer = outer + np.float32(1.2) * canvas.roughness(rng, region, 20.0)
    sinus = canvas.ellipsoid(region, (x - side * 17, y - 6, z), (18 * size, 10 * size, 24 * size), lean=-0.22 * side)
    distance = soft_max(outer, -sinus, 4)
    hu = canvas.parenchyma(region, patient.hu["kidney_cortex"], 5)
    _organ(canvas, patient, region, distance, 2.0 + 1.2 * patient.visceral_mm, hu, name)
    medulla = soft_max(outer + 8, -(sinus - 3), 3) + 2.5 * np.abs(canvas.texture[region]) - 1
    share = canvas.occupancy(medulla.astype(np.float32))
    canvas.paint(region, share, patient.hu["kidney_medulla"], inside=name)
    pelvis = canvas.ellipsoid(region, (x - side * 16, y - 6, z), (11 * size, 5 * size, 12 * size))
    canvas.paint(region, canvas.occupancy(pelvis), rng.uniform(0, 30))


def _adrenals(canvas: Canvas, patient: Patient) -> None:
    for side in (-1, 1):
        rng = patient.stream(f"adrenal {side}")
        top = np.array([side * 38 + rng.normal(0, 3), 30, 44 if side < 0 else 38]) - [0, 0, 0.5 * patient.breath_mm]
        for limb in (-1, 1):
            end = top + np.array([side * (8 + 6 * limb), 16, -18])
            region, distance = canvas.tube(np.stack([np.append(top, 3.2), np.append(end, 2.2)]))
            canvas.paint(region, canvas.occupancy(distance), patient.hu["adrenal"])


def _pancreas(canvas: Canvas, patient: Patient) -> None:
    """Head in the duodenal loop, neck before the portal vein, body over the aorta, tail towards the spleen.

    The older, the thinner, more lobulated and fattier.
    """
    rng = patient.stream("pancreas")
    size = float(np.clip(rng.normal(1.08, 0.1), 0.85, 1.35)) * (1 - 0.14 * patient.age)
    arch, tail = rng.normal(0, 5), rng.normal(0, 8)
    line = smooth_line(
        [
            (-28, 4, -34, 8),
            (-31, 0, -22, 14),
            (-29, -6, -8, 15),
            (-18, -12, 2, 10.5),
            (-4, -16 + 0.4 * arch, 8, 8.5),
            (16, -15 + arch, 14, 10.5),
            (36, -4 + arch, 19 + 0.4 * tail, 11),
            (56, 11 + 0.5 * arch, 26 + 0.8 * tail, 10.5),
            (76, 25, 34 + tail, 8.5),
        ],
        8.0,
    )
    line[:, :3] += np.cumsum(rng.normal(0, 0.7, (len(line), 3)), axis=0)
    line[:, 3] *= size
    region, distance = canvas.tube(line)
    lobules = np.float32(0.9 + 1.3 * patient.age) * canvas.roughness(rng, region, 9.0)
    mean_hu = patient.hu["pancreas"] - 22 * patient.age * min(patient.visceral_mm / 4, 1.5)
    hu = canvas.parenchyma(region, mean_hu, 7 + 9 * patient.age)
    _organ(canvas, patient, region, distance + lobules, 0.3 * patient.visceral_mm, hu, "pancreas")
