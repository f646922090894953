"""One weight per source slice, found by what a batch says its slices are."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seg.data.cache import PreparedCase


def slice_names(cases: Sequence[PreparedCase]) -> list[str]:
    """What `Batch.where` says of every slice, in the order of the cases."""
    return [f"{case.name}, slice {z}" for case in cases for z in range(len(case))]


class SliceWeights:
    """Weights whose mean over all slices is 1, so that the loss is neither louder nor quieter than unweighted.

    Sources that were trained on the same scans have slices of equal names; such share one weight.
    """

    def __init__(self, cases: Sequence[PreparedCase]) -> None:
        """Every weight is 1."""
        self._row = {name: row for row, name in enumerate(dict.fromkeys(slice_names(cases)))}
        self.rows = torch.tensor([self._row[name] for name in slice_names(cases)], dtype=torch.long)
        """The weight's row of each slice of the cases."""
        self.values = torch.ones(len(self._row), dtype=torch.float64)
        """One weight per row; what a resume has to restore."""

    def of(self, where: Sequence[str]) -> Tensor:
        """(slices,) float32: the weights of a batch."""
        return self.values[self.rows_of(where)].float()

    def rows_of(self, where: Sequence[str]) -> Tensor:
        """The rows of a batch's slices."""
        return torch.tensor([self._row[name] for name in where], dtype=torch.long)

    def replace(self, values: Tensor) -> None:
        """Take other weights, scaled to mean 1."""
        self.values = values / values.mean()

    @property
    def effective_number(self) -> float:
        """As how many slices of equal weight they count. Source: Kish 1965, Survey sampling: (sum w)^2 / sum w^2."""
        return float(self.values.sum() ** 2 / self.values.square().sum())
