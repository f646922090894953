"""Slices per second of `seg predict` on a volume against the bare network on ready slices, and its peak memory; JSON.

case:  read, window, resample, stack, forward, restore, argmax, compress and write one NIfTI volume.
ready: the forward pass alone, same network, precision and number of slices, on tensors in memory.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch

from seg.data.discover import find_data
from seg.data.phantom.layouts import write_phantoms
from seg.data.plan import Intensity, Plan
from seg.models.network import build_network
from seg.overrides import load_organ, resolve
from seg.recipes.predict_part import predict_one
from seg.recipes.trained import Trained, make_inference


def main() -> dict[str, Any]:
    """Measure and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", type=int, nargs=3, default=(48, 256, 256), help="z y x of the volume")
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    settings = resolve(["model.weights=none", "prepare.size_px=256", *given.words])
    network, _ = build_network(settings.model, 1, 3)
    plan = Plan(("liver",), (1,), 1.5, "mm", settings.prepare.size_px, 1, (Intensity("window", -160.0, 240.0),))
    trained = Trained(network, plan, (load_organ("liver"),), {"liver": True}, make_inference(network, settings))
    depth = given.shape[0]
    speeds: dict[str, list[float]] = {"case": [], "ready": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(
            folder / "in", "nifti", labelled=1, unlabelled=0, size=tuple(given.shape), spacing_mm=(2.5, 1.5, 1.5)
        )
        case = find_data(folder / "in", settings.data).cases[0]
        for number in range(given.rounds + 1):
            start = time.perf_counter()
            predict_one(trained, case, settings, folder / f"out-{number}")
            speeds["case"].append(depth / (time.perf_counter() - start))
            speeds["ready"].append(_ready(trained, depth, settings.predict.batch_size, given.shape[1:]))
    ratios = sorted(a / b for a, b in list(zip(speeds["case"], speeds["ready"], strict=True))[1:])
    return {
        "encoder": settings.model.encoder,
        "shape": list(given.shape),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "slices_per_s": {name: round(statistics.median(values[1:]), 2) for name, values in speeds.items()},
        "case / ready": round(statistics.median(ratios), 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "rounds": given.rounds,
    }


@torch.inference_mode()
def _ready(trained: Trained, depth: int, batch_size: int, shape: Any) -> float:
    height, width = (int(np.ceil(n / 32) * 32) for n in shape)
    images = torch.rand(batch_size, 3, height, width).to(trained.inference.device, memory_format=torch.channels_last)
    start = time.perf_counter()
    for _ in range(0, depth, batch_size):
        with trained.inference.autocast():
            trained.network(images).masks.float().sigmoid().cpu()
    return depth / (time.perf_counter() - start)


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
