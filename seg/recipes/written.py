"""Predicted masks as files: on the scan's own grid, beside a table that names the label values."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seg.atomic import write_text
from seg.data.files.nifti import write_nifti
from seg.data.files.picture import write_picture
from seg.data.volume import CaseImage
from seg.evaluate.predict import Probabilities
from seg.records import Case

LABEL_TABLE = "labels.json"
"""Name of the table of label values."""


def prediction_files(output: Path, case: Case) -> tuple[Path, ...]:
    """Where the prediction of a case goes: one NIfTI file, or one PNG per slice."""
    if case.channels[0][0].lower().endswith((".nii", ".nii.gz")):
        return (output / f"{case.name}.nii.gz",)
    return tuple(output / f"{Path(file).stem}.png" for file in case.channels[0])


def write_prediction(output: Path, case: Case, image: CaseImage, labels: Sequence[NDArray[np.uint16]]) -> None:
    """Write label values on the scan's own grid: same shape, affine and units."""
    files = prediction_files(output, case)
    if image.scan is None:
        for file, plane in zip(files, labels, strict=True):
            write_picture(file, _smallest(plane))
        return
    volume = _smallest(np.stack(labels))
    write_nifti(files[0], image.scan.grid.from_canonical(volume), like=image.scan)


def write_probabilities(
    output: Path, case: Case, image: CaseImage, probabilities: Sequence[Probabilities], organs: Sequence[str]
) -> None:
    """Per organ the probabilities as float32 NIfTI, or as 8-bit PNGs (255 = certain) for pictures."""
    for number, organ in enumerate(organs):
        planes = [plane[number] for plane in probabilities]
        if image.scan is None:
            for file, plane in zip(prediction_files(output / "probabilities", case), planes, strict=True):
                write_picture(file.with_stem(f"{file.stem}_{organ}"), (plane * 255).round().astype(np.uint8))
        else:
            path = output / "probabilities" / f"{case.name}_{organ}.nii.gz"
            write_nifti(path, image.scan.grid.from_canonical(np.stack(planes)), like=image.scan)


def write_label_table(output: Path, organs: Sequence[str], values: Sequence[int]) -> None:
    """`labels.json`: which value means which organ; `seg evaluate` reads it."""
    write_text(output / LABEL_TABLE, json.dumps(dict(zip(organs, values, strict=True)), indent=2))


def _smallest(labels: NDArray[np.uint16]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return labels.astype(np.uint8) if labels.size == 0 or labels.max() <= 255 else labels
