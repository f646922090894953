import math

from seg.evaluate.metrics.masks import MaskPair, Metric


def volume_difference(pair: MaskPair) -> float | None:
    """Prediction minus reference in ml; in voxels where the spacing is unknown; None for lone slices with a spacing."""
    voxels = pair.prediction_voxels - pair.reference_voxels
    if pair.spacing_mm is None:
        return float(voxels)
    return voxels * math.prod(pair.spacing_mm) / 1000 if pair.contiguous else None


METRIC = Metric(
    title="Volume difference",
    kind="volume",
    better="near zero",
    symmetric=False,
    definition="Volume of the prediction minus volume of the reference in {unit} (px: number of voxels); negative means"
    " too small. Both masks empty: undefined, left out of means and counted. An empty or missing mask has the volume 0."
    " Lone slices with a known pixel size: undefined, they have no volume.",
    measure=volume_difference,
    when_empty=volume_difference,
)
