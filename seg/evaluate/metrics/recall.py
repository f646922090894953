from seg.evaluate.metrics.masks import EMPTY_IS_ZERO, MaskPair, Metric, zero


def recall(pair: MaskPair) -> float:
    """|P and R| / |R| over voxels."""
    return pair.shared_voxels / pair.reference_voxels


METRIC = Metric(
    title="Recall",
    kind="share",
    better="higher",
    symmetric=False,
    definition="Share of the reference's voxels that the prediction found (sensitivity), 0 to 1. " + EMPTY_IS_ZERO,
    measure=recall,
    when_empty=zero,
)
