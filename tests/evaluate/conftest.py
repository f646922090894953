"""Random mask pairs and a brute-force surface distance, as second witnesses for the metrics."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from seg.data.files.picture import write_picture
from seg.evaluate.metrics.masks import MaskPair

RandomPair = tuple[np.ndarray, np.ndarray, tuple[float, float, float]]


@pytest.fixture(scope="session")
def random_pair() -> Callable[[int], RandomPair]:
    """Two blobs on a small grid (z, y, x) with odd spacing: often at borders, flat, speckled, tiny or apart."""

    def make(seed: int) -> RandomPair:
        rng = np.random.default_rng(seed)
        shape = (1 if seed % 4 == 0 else int(rng.integers(2, 9)), *(int(side) for side in rng.integers(6, 17, 2)))
        noise = ndimage.gaussian_filter(rng.standard_normal((2, *shape)), (0, 1, 1.5, 1.5))
        first = noise[0] / noise[0].std()
        second = 0.8 * first + 0.6 * noise[1] / noise[1].std()
        masks = [field > edge for field, edge in zip((first, second), rng.uniform(-0.5, 1.2, 2), strict=True)]
        for mask in masks:
            if not mask.any():
                mask[tuple(int(rng.integers(side)) for side in shape)] = True
        spacing = tuple(float(step) for step in rng.uniform(0.4, 5.0, 3).round(3))
        return masks[0], masks[1], spacing

    return make


def _surface_places(mask: np.ndarray) -> list[tuple[int, ...]]:
    steps = [(0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0)]
    steps += [] if mask.shape[0] == 1 else [(1, 0, 0), (-1, 0, 0)]
    inside = {tuple(int(i) for i in place) for place in np.argwhere(mask)}
    return [p for p in sorted(inside) if any((p[0] + z, p[1] + y, p[2] + x) not in inside for z, y, x in steps)]


@pytest.fixture(scope="session")
def brute_distances() -> Callable[..., np.ndarray]:
    """From every surface voxel of one mask to the nearest of the other, by comparing all with all."""

    def measure(one: np.ndarray, other: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
        places, targets = (np.array(_surface_places(mask)) * np.array(spacing) for mask in (one, other))
        return np.sqrt(((places[:, None] - targets[None]) ** 2).sum(axis=2)).min(axis=1)

    return measure


@pytest.fixture
def filled() -> np.ndarray:
    """A block of 2 x 2 x 4 voxels away from the borders of a grid of 4 x 6 x 8."""
    mask = np.zeros((4, 6, 8), dtype=bool)
    mask[1:3, 2:4, 2:6] = True
    return mask


@pytest.fixture
def mask_pair() -> Callable[..., MaskPair]:
    """A MaskPair of anything that makes boolean arrays (z, y, x); spacing (2, 1, 0.5) mm."""

    def make(prediction, reference, spacing_mm=(2.0, 1.0, 0.5), **more) -> MaskPair:
        return MaskPair(np.asarray(prediction, bool), np.asarray(reference, bool), spacing_mm, **more)

    return make


@pytest.fixture
def write_labels() -> Callable[..., Path]:
    """Write labels (z, y, x) as NIfTI in LPS with spacing (2, 1, 0.5) mm; `turned` stores the same place in RAS."""

    def write(path: Path, labels: np.ndarray, *, offset_mm: float = 0.0, turned: bool = False) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels, affine = labels.transpose(2, 1, 0).astype(np.uint8), np.diag([-0.5, -1.0, 2.0, 1.0])
        affine[0, 3] += offset_mm
        if turned:
            last = np.array([voxels.shape[0] - 1, voxels.shape[1] - 1, 0])
            affine[:3, 3] += affine[:3, :3] @ last
            affine[:2, :2] *= -1
            voxels = voxels[::-1, ::-1]
        nib.save(nib.Nifti1Image(voxels, affine), path)
        return path

    return write


@pytest.fixture
def write_slice() -> Callable[..., Path]:
    """Write labels (y, x) as a picture."""

    def write(path: Path, labels: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, np.asarray(labels).astype(np.uint8))
        return path

    return write
