"""What of a network came from the source."""

from seg.models.weights import WeightReport


def transferred_names(start: WeightReport) -> frozenset[str]:
    """Names of the tensors, parameters and buffers, that were loaded or adapted."""
    return frozenset(row.name for row in start.rows if row.status in ("loaded", "adapted"))
