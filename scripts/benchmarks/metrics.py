"""Dice, HD95, NSD and ASSD of one pair of masks, 256 x 256 x 100: the time beside MONAI's for the same four, as JSON.

python scripts/benchmarks/metrics.py
"""

import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seg.evaluate.metrics.masks import MaskPair
from seg.evaluate.score import metrics_by_name
from seg.types import MaskVolume

SHAPE = (100, 256, 256)
SPACING_MM = (2.5, 0.8, 0.8)
TOLERANCE_MM = 3.0
NAMES = ("dice", "hd95", "nsd", "assd")


def organ(seed: int) -> MaskVolume:
    """A liver-sized ellipsoid (0.8 million voxels, 48,000 on the surface) with a wavy outline that `seed` decides."""
    rng = np.random.default_rng(seed)
    axes = [(np.arange(side) - side / 2) * step for side, step in zip(SHAPE, SPACING_MM, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    field = (z / 70) ** 2 + (y / 60) ** 2 + (x / 75) ** 2
    for _ in range(6):
        waves, phase = rng.uniform(0.01, 0.06, 3), rng.uniform(0, 2 * np.pi)
        field = field + 0.06 * np.sin(waves[0] * z + waves[1] * y + waves[2] * x + phase)
    return np.asarray(field < 1)


def measure_here(prediction: MaskVolume, reference: MaskVolume) -> list[float | None]:
    """The four values by this project."""
    pair = MaskPair(prediction, reference, SPACING_MM, TOLERANCE_MM)
    return [metric.value(pair) for metric in metrics_by_name(NAMES).values()]


def measure_monai(prediction: MaskVolume, reference: MaskVolume) -> list[float]:
    """The four values by MONAI's functions behind its metric classes."""
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    same: dict[str, Any] = {"include_background": True, "spacing": SPACING_MM}
    measured = (
        compute_dice(*pair, include_background=True),
        compute_hausdorff_distance(*pair, percentile=95, **same),
        compute_surface_dice(*pair, [TOLERANCE_MM], **same),
        compute_average_surface_distance(*pair, symmetric=True, **same),
    )
    return [float(value) for value in measured]


def main(runs: int = 7) -> dict[str, Any]:
    """Medians over `runs` alternating runs, after one of each that is not counted."""
    prediction, reference = organ(1), organ(0)
    tools: dict[str, Callable[..., Any]] = {"seg": measure_here, "monai": measure_monai}
    times: dict[str, list[float]] = {name: [] for name in tools}
    values: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for run in range(runs + 1):
            for name, measure in tools.items():
                start = time.perf_counter()
                values[name] = measure(prediction, reference)
                times[name] += [time.perf_counter() - start] if run else []
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {
        "benchmark": "metrics",
        "what": f"{', '.join(NAMES)} of one {SHAPE} pair, spacing {SPACING_MM} mm",
        "runs": runs,
        "cores": os.cpu_count(),
        "seg_ms": round(1e3 * medians["seg"], 1),
        "monai_ms": round(1e3 * medians["monai"], 1),
        "ratio_to_monai": round(medians["seg"] / medians["monai"], 3),
        "limit": 1 / 3,
        "values": {name: dict(zip(NAMES, found, strict=True)) for name, found in values.items()},
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
