"""Features on disk: one entry per case and view, written atomically, verified by digest, read by memory map."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from seg.atomic import atomic_folder
from seg.data.cache import PreparedCase, intact_entry
from seg.digest import file_sha256, json_sha256
from seg.transfer._feature_layout import Row

Rows = NDArray[np.float16]
"""(slice, values), as Layout packs them."""
Masks = NDArray[np.uint8]
"""(slice, organ, y, x): 1 inside, 0 outside, IGNORE."""

_OPEN = 128
"""Entries that stay open, each with two files; systems commonly allow 1024 open files."""


@dataclass(frozen=True)
class Entry:
    """Every slice of a case in one view."""

    folder: Path
    case: PreparedCase
    view: int

    def is_intact(self) -> bool:
        """Whether it is there, and no byte of it changed."""
        return intact_entry(self.folder) is not None

    def read(self, z: int) -> tuple[Row, NDArray[np.uint8]]:
        """A slice's row of features and its masks (organ, y, x)."""
        rows, masks = _opened(self.folder)
        return rows[z], masks[z]

    def write(self, values: int, batches: Iterable[tuple[Rows, Masks]]) -> None:
        """Write the slices of `batches`, which follow each other, of so many values each."""
        with atomic_folder(self.folder) as temporary:
            masks = []
            with (temporary / "maps.npy").open("wb") as file:
                _write_header(file, (len(self.case), values))
                for rows, marked in batches:
                    # By hand: a memory map on a full disk would end the process instead of raising an error.
                    file.write(rows.tobytes())
                    masks.append(marked)
            np.save(temporary / "masks.npy", np.concatenate(masks))
            digests = {path.name: file_sha256(path) for path in sorted(temporary.glob("*.npy"))}
            entry = {"case": self.case.name, "view": self.view, "sha256": digests}
            (temporary / "entry.json").write_text(json.dumps({"entry": entry, "sha256": json_sha256(entry)}))
        # A file that was replaced because it was damaged may still be open.
        _opened.cache_clear()


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    facts = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, facts)


@lru_cache(maxsize=_OPEN)
def _opened(folder: Path) -> tuple[Rows, Masks]:
    rows, masks = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in ("maps.npy", "masks.npy"))
    return rows, masks
