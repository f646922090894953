from seg.evaluate.metrics.masks import EMPTY_IS_DIAGONAL, MaskPair, Metric, diagonal


def assd(pair: MaskPair) -> float:
    """The mean over the surface distances of both directions together.

    Source: Heimann et al., Comparison and evaluation of methods for liver segmentation from CT datasets, IEEE TMI 28
    (2009), eq. 3: one mean over all surface voxels, not the mean of the two directed means.
    """
    return float(pair.distances.pooled.mean())


METRIC = Metric(
    title="ASSD",
    kind="distance",
    better="lower",
    symmetric=True,
    definition="Average symmetric surface distance in {unit}: the mean over the surface voxels of both masks together"
    " of the distance to the nearest surface voxel of the other mask. " + EMPTY_IS_DIAGONAL,
    measure=assd,
    when_empty=diagonal,
)
