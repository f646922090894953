from seg.evaluate.metrics.masks import EMPTY_IS_ZERO, MaskPair, Metric, zero


def precision(pair: MaskPair) -> float:
    """|P and R| / |P| over voxels."""
    return pair.shared_voxels / pair.prediction_voxels


METRIC = Metric(
    title="Precision",
    kind="share",
    better="higher",
    symmetric=False,
    definition="Share of the predicted voxels that lie in the reference (positive predictive value), 0 to 1. "
    + EMPTY_IS_ZERO,
    measure=precision,
    when_empty=zero,
)
