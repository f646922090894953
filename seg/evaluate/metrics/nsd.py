import numpy as np

from seg.evaluate.metrics.masks import EMPTY_IS_ZERO, MaskPair, Metric, zero


def nsd(pair: MaskPair) -> float:
    """The share of both surfaces' voxels that lie within the tolerance of the other surface.

    Surface voxels are counted, as MONAI does without sub-voxels; a version that measures surface area differs by up to
    a hundredth. Source: Nikolov et al., Deep learning to achieve clinically applicable segmentation of head and neck
    anatomy, arXiv:1809.04430, eq. 1; Seidlitz et al., arXiv:2111.05408.
    """
    # Single precision, so that 5 voxels of 0.6 mm are within 3 mm although 5 * 0.6 > 3 in double precision.
    distances = pair.distances.pooled.astype(np.float32)
    return float(np.count_nonzero(distances <= np.float32(pair.tolerance_mm)) / len(distances))


METRIC = Metric(
    title="NSD",
    kind="share",
    better="higher",
    symmetric=True,
    definition="Normalised surface Dice, 0 to 1, at a tolerance of {tolerance}: the share of the surface voxels of both"
    " masks together that lie within the tolerance of the other surface. Lone slices: measured within each slice and"
    " pooled. " + EMPTY_IS_ZERO,
    measure=nsd,
    when_empty=zero,
)
