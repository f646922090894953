from seg.evaluate.metrics.masks import EMPTY_IS_ZERO, MaskPair, Metric, zero


def iou(pair: MaskPair) -> float:
    """|P and R| / |P or R| over voxels.

    Source: Jaccard, The distribution of the flora in the alpine zone, New Phytologist 11 (1912).
    """
    return pair.shared_voxels / (pair.prediction_voxels + pair.reference_voxels - pair.shared_voxels)


METRIC = Metric(
    title="IoU",
    kind="share",
    better="higher",
    symmetric=True,
    definition="Intersection over union (Jaccard), 0 to 1: the voxels in both masks, divided by the voxels in either. "
    + EMPTY_IS_ZERO,
    measure=iou,
    when_empty=zero,
)
