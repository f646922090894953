"""Large vessels, the portal system, and vessels that branch inside the liver."""

import numpy as np

from seg.data.phantom.patient import Patient
from seg.data.phantom.shapes import Canvas, smooth_line
from seg.types import FloatVolume

Points = list[tuple[float, float, float, float]]


def draw_great_vessels(canvas: Canvas, patient: Patient) -> None:
    """Aorta, vena cava, renal, coeliac and mesenteric vessels; the aorta in a rim of fat."""
    rng = patient.stream("great vessels")
    size = 1 + 0.25 * patient.age + rng.normal(0, 0.08)
    lean = rng.normal(0, 2)
    aorta: Points = [(7 - lean, 19, -200, 8.5), (8, 18, -30, 9), (7, 19, 40, 10.5), (3 + lean, 26, 110, 12)]
    cava: Points = [
        (-20, 22, -200, 10),
        (-21, 20, -20, 10.5),
        (-24, 14, 40, 12),
        (-24, 2, 90, 12.5),
        (-22, -5, 200, 13),
    ]
    _vessel(canvas, aorta, patient.hu["aorta"], size, "aorta", patient.hu["fat"])
    _vessel(canvas, cava, patient.hu["vena_cava"], rng.uniform(0.75, 1.1), "inferior_vena_cava", None)
    arteries: list[Points] = [
        [(7, 9, 18, 3.6), (6, 0, 12, 3.6), (5, -6, -15, 3.4), (2, -14, -70, 3.0)],
        [(6, 9, 30, 3.5), (6, -2, 32, 3.4), (-12, -6, 30, 2.6), (-24, -8, 26, 2.4)],
        [(6, -2, 32, 3.0), (25, 2, 36, 2.8), (45, 14, 34, 2.7), (62, 28, 40, 2.4), (82, 36, 46, 2.0)],
        [(12, 20, -2, 3.0), (35, 34, -4, 2.8), (50, 42, -4, 2.4)],
        [(-2, 22, -6, 3.0), (-25, 36, -9, 2.6), (-48, 42, -10, 2.4)],
    ]
    for line in arteries:
        _vessel(canvas, line, patient.hu["aorta"], size, None, None)
    _vessel(canvas, [(48, 38, -2, 4.2), (25, 14, 0, 4.4), (-12, 14, 0, 4.6)], patient.hu["vena_cava"], 1, None, None)


def draw_portal_system(canvas: Canvas, patient: Patient) -> None:
    """Superior mesenteric and splenic veins, joining behind the neck of the pancreas into the portal vein."""
    rng = patient.stream("portal")
    size = rng.uniform(0.85, 1.2)
    vein: Points = [(-9, -14, -75, 4.6), (-8, -7, -25, 5.6), (-8, -3, 2, 6.5), (-18, -2, 18, 7), (-32, -1, 33, 7.2)]
    splenic: Points = [(-8, -2, 4, 5.0), (14, 0, 12, 4.8), (42, 17, 23, 4.4), (72, 34, 38, 4.0), (84, 38, 45, 3.0)]
    for line in (vein, splenic):
        _vessel(canvas, line, patient.hu["portal_vein"], size, "portal_vein_and_splenic_vein", None)


def draw_liver_vessels(canvas: Canvas, patient: Patient) -> None:
    """Portal branches and hepatic veins inside the liver; they belong to the liver's label."""
    rng = patient.stream("liver vessels")
    low = -patient.breath_mm
    portal: list[Points] = [
        [(-30, -1, 32 + low, 6.5), (-52, 0, 40 + low, 5.5), (-70, -20, 38 + low, 4)],
        [(-52, 0, 40 + low, 5.0), (-75, 22, 30 + low, 3.8)],
        [(-30, -1, 32 + low, 5.5), (-18, -22, 44 + low, 5.0), (2, -42, 48 + low, 3.8)],
    ]
    for trunk in portal:
        _tree(canvas, trunk, rng, patient.hu["portal_vein"], (0, 0, -0.1))
    for end in ((-85, 18, 45), (-55, -35, 50), (10, -40, 62)):
        trunk = [(-24, 2, 86 + low, 5.5), _between(end, low, rng, 0.45, 4.4), _between(end, low, rng, 1.0, 2.6)]
        _tree(canvas, trunk, rng, patient.hu["hepatic_vein"], (0, 0, -0.25))


def _between(
    end: tuple[float, float, float], low: float, rng: np.random.Generator, share: float, radius: float
) -> tuple[float, float, float, float]:
    start = np.array([-24.0, 2.0, 86.0 + low])
    place = start + share * (np.array(end) + np.array([0, 0, low]) - start) + rng.normal(0, 4, 3)
    return (float(place[0]), float(place[1]), float(place[2]), radius)


def _tree(canvas: Canvas, trunk: Points, rng: np.random.Generator, hu: float, pull: tuple[float, float, float]) -> None:
    """A trunk whose end splits in two, twice."""
    line = smooth_line(trunk)
    _inside_liver(canvas, line, hu)
    ends = [(line[-1], line[-1, :3] - line[-2, :3])]
    for length in (26.0, 20.0):
        grown = []
        for place, direction in ends:
            for _ in range(2):
                turn = direction / np.linalg.norm(direction) + rng.normal(0, 0.55, 3) + pull
                turn /= np.linalg.norm(turn)
                stop = np.append(place[:3] + turn * length * rng.uniform(0.7, 1.3), place[3] * 0.68)
                _inside_liver(canvas, np.stack([place, stop]), hu)
                grown.append((stop, turn))
        ends = grown


def _inside_liver(canvas: Canvas, line: FloatVolume, hu: float) -> None:
    region, distance = canvas.tube(line)
    canvas.paint(region, canvas.occupancy(distance), hu, inside="liver")


def _vessel(canvas: Canvas, line: Points, hu: float, size: float, name: str | None, fat: float | None) -> None:
    points = smooth_line(line, 14.0)
    points[:, 3] *= size
    region, distance = canvas.tube(points)
    if fat is not None:
        canvas.paint(region, canvas.occupancy(distance - 2.0), fat)
    canvas.paint(region, canvas.occupancy(distance), hu, name)
