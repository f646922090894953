"""Stomach, duodenum, small bowel and colon: walls, and contents from gas to positive contrast."""

import numpy as np

from seg.data.phantom.patient import Patient
from seg.data.phantom.shapes import Canvas, Field, Region, smooth_line, soft_step
from seg.types import FloatVolume

GAS_HU = -980.0


def draw_bowel(canvas: Canvas, patient: Patient, abdomen: Field) -> None:
    """Colon and loops of small bowel in the mesenteric fat, and the small vessels between them."""
    _mesentery(canvas, patient, abdomen)
    rng = patient.stream("bowel")
    contrast = rng.random() < 0.3
    for _ in range(int(rng.integers(9, 16))):
        line = _loop(rng)
        _hollow(canvas, patient, line, abdomen, rng, _content(rng, contrast), 2.2)
    low = -patient.breath_mm
    colon: list[list[tuple[float, float, float, float]]] = [
        [(-98, 22, -120, 20), (-97, 18, -60, 22), (-92, 5, -32, 21), (-80, -28, -22 + 0.3 * low, 19)],
        [(-80, -30, -22, 18), (-40, -62, -30, 18), (5, -68, -34, 17), (48, -62, -22, 17), (86, -28, 10, 17)],
        [(86, -28, 12, 16), (104, 8, 22, 16), (104, 28, -10, 14), (102, 30, -60, 13), (100, 28, -120, 13)],
    ]
    for part in colon:
        line = smooth_line(
            [(x + rng.normal(0, 5), y + rng.normal(0, 5), z + rng.normal(0, 6), r) for x, y, z, r in part]
        )
        line[:, 3] *= rng.uniform(0.6, 1.15) * (1 + 0.12 * np.sin(np.arange(len(line)) * 2.1 + rng.uniform(0, 6)))
        _hollow(canvas, patient, line, abdomen, rng, "stool" if rng.random() < 0.7 else _content(rng, contrast), 2.0)


def _mesentery(canvas: Canvas, patient: Patient, abdomen: Field) -> None:
    """Small vessels and strands as ridges of the texture field, only where loops hang."""
    rng = patient.stream("mesentery")
    region = canvas.region(((-95, 95), (-85, 25), (-200, 30)))
    ridge = np.exp(-((canvas.texture[region] / 0.14) ** 2)) * soft_step(15 - canvas.z[region], 25)
    share = (rng.uniform(0.25, 0.6) * ridge).astype(np.float32) * canvas.occupancy(abdomen[region] + 8)
    canvas.paint(region, share, patient.hu["portal_vein"] - 20)


def _loop(rng: np.random.Generator) -> FloatVolume:
    """A wandering tube in the middle and left of the abdomen below the stomach."""
    place = np.array([rng.uniform(-45, 85), rng.uniform(-65, 5), rng.uniform(-85, 5)])
    direction = rng.normal(0, 1, 3) * (1, 1, 0.5)
    radius = rng.uniform(8, 13)
    points = [(*place, radius)]
    for _ in range(int(rng.integers(4, 8))):
        direction = 0.6 * direction / np.linalg.norm(direction) + rng.normal(0, 0.6, 3)
        place = np.clip(place + direction / np.linalg.norm(direction) * 20, (-60, -75, -110), (95, 10, 15))
        points.append((*place, radius * rng.uniform(0.75, 1.15)))
    return smooth_line(points)


def _content(rng: np.random.Generator, contrast: bool) -> str:
    if contrast and rng.random() < 0.6:
        return "contrast"
    return str(rng.choice(["water", "collapsed", "soft", "gas"], p=[0.35, 0.3, 0.25, 0.1]))


def _hollow(
    canvas: Canvas,
    patient: Patient,
    line: FloatVolume,
    abdomen: Field,
    rng: np.random.Generator,
    content: str,
    wall_mm: float,
    name: str | None = None,
) -> None:
    """A tube with a wall, its lumen filled, gas above a level towards the front."""
    region, distance = canvas.tube(line)
    distance = np.maximum(distance, abdomen[region] + 1)
    rim, inside = canvas.occupancies(distance, 0.5 * patient.visceral_mm, 0.0)
    canvas.paint(region, rim, patient.hu["fat"] + 8)
    canvas.paint(region, inside, patient.hu["bowel_wall"], name)
    fill_lumen(canvas, region, distance + wall_mm, content, rng)


def fill_lumen(
    canvas: Canvas, region: Region, lumen: Field, content: str, rng: np.random.Generator, gas: float | None = None
) -> None:
    """Fill a hollow organ; `gas` is the y of the fluid level, None draws whether there is one.

    The contents lie inside the organ, so the labels stay as they are.
    """
    share = canvas.occupancy(lumen)
    texture = canvas.texture[region]
    mean, roughness = {
        "water": (rng.uniform(0, 25), 4.0),
        "collapsed": (rng.uniform(40, 75), 5.0),
        "soft": (rng.uniform(30, 80), 22.0),
        "contrast": (rng.uniform(180, 420), 25.0),
        "gas": (GAS_HU, 5.0),
        "stool": (rng.uniform(-30, 50), 90.0),
    }[content]
    _fill(canvas, region, share, np.float32(mean) + np.float32(roughness) * texture)
    if content == "stool":
        bubbles = share * soft_step(texture - np.float32(rng.uniform(0.9, 1.6)), 0.3)
        _fill(canvas, region, bubbles, np.float32(GAS_HU * 0.8))
    elif content != "collapsed" and (gas is not None or rng.random() < 0.3):
        inside = canvas.y[region][lumen < 0]
        if inside.size:
            level = float(np.quantile(inside, rng.uniform(0.1, 0.45))) if gas is None else gas
            _fill(canvas, region, share * canvas.occupancy(canvas.y[region] - np.float32(level)), np.float32(GAS_HU))


def _fill(canvas: Canvas, region: Region, share: Field, hu: Field | np.float32) -> None:
    view = canvas.hu[region]
    view += share * (hu - view)


def draw_stomach(canvas: Canvas, patient: Patient, abdomen: Field) -> None:
    """From the fundus below the left dome to the pylorus; more or less distended."""
    rng = patient.stream("stomach")
    low = -patient.breath_mm
    full = rng.uniform(0.65, 1.12)
    x, y, z = rng.normal(0, 5, 3)
    line = smooth_line(
        [
            (60 + x, 10 + y, 74 + low, 31 * full),
            (63 + x, -10 + y, 56 + low, 34 * full),
            (58 + x, -32 + y, 32 + z + low, 29 * full),
            (42 + x, -48 + y, 10 + z + low, 25 * full),
            (12, -50 + y, 0 + z, 20 * full),
            (-18, -38, 2, 14 * full),
            (-32, -30, 4, 9),
        ],
        10.0,
    )
    region, distance = canvas.tube(line, 1.2 * canvas.texture)
    distance = np.maximum(distance, abdomen[region] + 2)
    rim, inside = canvas.occupancies(distance, 0.6 * patient.visceral_mm, 0.0)
    canvas.paint(region, rim, patient.hu["fat"] + 8)
    canvas.paint(region, inside, canvas.parenchyma(region, patient.hu["bowel_wall"], 5), "stomach")
    content = str(rng.choice(["water", "soft", "contrast", "stool", "gas"], p=[0.35, 0.27, 0.18, 0.12, 0.08]))
    level = float(rng.uniform(-75, -25)) if rng.random() < 0.75 else -200.0
    fill_lumen(canvas, region, distance + rng.uniform(3, 5.5), content, rng, gas=level)


def draw_duodenum(canvas: Canvas, patient: Patient, abdomen: Field) -> None:
    """The loop around the head of the pancreas, mostly collapsed."""
    rng = patient.stream("duodenum")
    x, y, z = rng.normal(0, 3, 3)
    line = smooth_line(
        [
            (-32, -30, 4, 9),
            (-46 + x, -18 + y, 6 + z, 12),
            (-52 + x, 2 + y, -12 + z, 12),
            (-48 + x, 8 + y, -34 + z, 12),
            (-28, 10 + y, -44 + z, 11),
            (2, 4 + y, -42 + z, 10),
            (24, -2 + y, -28, 10),
            (32, -14, -14, 10),
        ],
        10.0,
    )
    line[:, 3] *= rng.uniform(0.8, 1.15)
    content = str(rng.choice(["collapsed", "soft", "water", "contrast"], p=[0.4, 0.3, 0.18, 0.12]))
    _hollow(canvas, patient, line, abdomen, rng, content, 3.0, "duodenum")
