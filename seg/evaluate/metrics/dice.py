from seg.evaluate.metrics.masks import EMPTY_IS_ZERO, MaskPair, Metric, zero


def dice(pair: MaskPair) -> float:
    """2 |P and R| / (|P| + |R|) over voxels.

    Source: Dice, Measures of the amount of ecologic association between species, Ecology 26 (1945).
    """
    return 2 * pair.shared_voxels / (pair.prediction_voxels + pair.reference_voxels)


METRIC = Metric(
    title="Dice",
    kind="share",
    better="higher",
    symmetric=True,
    definition="Overlap, 0 to 1: twice the voxels in both masks, divided by the voxels of prediction plus reference. "
    + EMPTY_IS_ZERO,
    measure=dice,
    when_empty=zero,
)
