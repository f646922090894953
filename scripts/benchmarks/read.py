"""How long reading a .nii.gz takes, against nibabel on the same file in the same run; prints JSON."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from seg.data.files.nifti import read_nifti

ROUNDS = 7
SHAPE = (512, 512, 100)
TARGET = 0.7


def main() -> dict[str, object]:
    """Median seconds of each reader over alternating rounds, and ratios to nibabel (lower is faster).

    `ratio` compares with nibabel reading the same raw numbers, without a CRC; `ratio_float` with its `get_fdata`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nii.gz"
        nib.save(nib.Nifti1Image(ct_like(), np.diag([0.8, 0.8, 2.0, 1.0])), path)
        readers: dict[str, Callable[[], object]] = {
            "seg_s": lambda: read_nifti(path).voxels,
            "nibabel_s": lambda: np.asanyarray(nib.load(path).dataobj),
            "nibabel_float32_s": lambda: nib.load(path).get_fdata(dtype=np.float32),
        }
        times = alternating(readers, ROUNDS)
        same = bool((read_nifti(path).voxels == np.asanyarray(nib.load(path).dataobj)).all())
        megabytes = path.stat().st_size / 1e6
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {
        **{name: round(seconds, 4) for name, seconds in medians.items()},
        "ratio": round(medians["seg_s"] / medians["nibabel_s"], 3),
        "ratio_float": round(medians["seg_s"] / medians["nibabel_float32_s"], 3),
        "target": TARGET,
        "same_voxels": same,
        "rounds": ROUNDS,
        "shape": SHAPE,
        "packed_mb": round(megabytes, 1),
    }


def ct_like() -> np.ndarray:
    """int16 numbers as a CT has them: air around a body with smooth organs and noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = (x / 0.8) ** 2 + (y / 0.6) ** 2 < 1
    organs = np.where(body, 40 + 60 * np.sin(5 * x) * np.cos(7 * y), -1000.0)
    slices = [organs + rng.normal(0, 12, organs.shape) * np.where(body, 1.0, 0.2) for _ in range(SHAPE[2])]
    return np.stack(slices, axis=-1).astype(np.int16)


def alternating(readers: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds per reader and round; readers take turns, so that a slow moment of the machine meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds + 1):
        for name, read in readers.items():
            start = time.perf_counter()
            read()
            times[name].append(time.perf_counter() - start)
    # The first round warms the disk cache and imports.
    return {name: found[1:] for name, found in times.items()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
