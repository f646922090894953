"""Shape aliases: arrays are (z, y, x) in patient space, tensors are (batch, channel, y, x)."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatVolume: TypeAlias = NDArray[np.floating[Any]]
"""(z, y, x) intensities."""

MaskVolume: TypeAlias = NDArray[np.bool_]
"""(z, y, x), true inside the organ."""

LabelVolume: TypeAlias = NDArray[np.integer[Any]]
"""(z, y, x) integer label values."""

AnyArray: TypeAlias = NDArray[Any]
"""An array whose type is only known from its file."""

Affine: TypeAlias = NDArray[np.float64]
"""(4, 4), voxel index (i, j, k) to millimetres in RAS+, as NIfTI defines it."""

SpacingMm: TypeAlias = tuple[float, float, float]
"""Distance between voxel centres along (z, y, x)."""
