"""What a pretraining restored, kept beside the run so that the page can be made again without the scans."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seg.atomic import atomic_file
from seg.records import Interval
from seg.report.restoration import RestorationOutcome, RestoredSlice


def save_restored(folder: Path, outcome: RestorationOutcome) -> dict[str, Any]:
    """Keep the pictures as `restored.npz`; returns the numbers as plain JSON for the manifest."""
    told = [{"title": one.title, "patient": one.patient, "done": one.done, "before": one.before, "after": one.after}
            for one in outcome.pictures]  # fmt: skip
    arrays: dict[str, Any] = {"told": np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)}
    for number, one in enumerate(outcome.pictures):
        arrays[f"planes-{number}"] = np.stack([one.original, one.damaged, one.restored])
    with atomic_file(folder / "restored.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    numbers = dataclasses.asdict(dataclasses.replace(outcome, pictures=()))
    return {name: value for name, value in numbers.items() if name != "pictures"}


def load_restored(folder: Path, numbers: Mapping[str, Any]) -> RestorationOutcome:
    """What `save_restored` kept and returned; without pictures where their file is missing."""
    found = {name: Interval(**numbers[name]) for name in ("before", "after", "grey", "removed")}
    return RestorationOutcome(slices=numbers["slices"], **found, pictures=_load_pictures(folder / "restored.npz"))


def _load_pictures(path: Path) -> tuple[RestoredSlice, ...]:
    if not path.exists():
        return ()
    with np.load(path, allow_pickle=False) as arrays:
        told = json.loads(arrays["told"].tobytes().decode())
        planes = [arrays[f"planes-{number}"] for number in range(len(told))]
    return tuple(
        RestoredSlice(**one, original=plane[0], damaged=plane[1], restored=plane[2])
        for one, plane in zip(told, planes, strict=True)
    )
