"""The pictures of a report, kept beside the run so that the page can be made again without the scans."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seg.atomic import atomic_file
from seg.report.page import Picture


def save_pictures(path: Path, pictures: Sequence[Picture]) -> None:
    """All pictures in one compressed file."""
    told = [{"title": p.title, "organ": p.organ, "patient": p.patient, "dice": p.dice} for p in pictures]
    arrays: dict[str, Any] = {"told": np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)}
    for number, picture in enumerate(pictures):
        arrays[f"image-{number}"] = picture.image
        arrays[f"masks-{number}"] = np.stack([picture.reference, picture.prediction])
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_pictures(path: Path) -> tuple[Picture, ...]:
    """What `save_pictures` kept; none where the file is missing."""
    if not path.exists():
        return ()
    with np.load(path, allow_pickle=False) as arrays:
        told = json.loads(arrays["told"].tobytes().decode())
        return tuple(
            Picture(
                **one,
                image=arrays[f"image-{number}"],
                reference=arrays[f"masks-{number}"][0],
                prediction=arrays[f"masks-{number}"][1],
            )
            for number, one in enumerate(told)
        )
