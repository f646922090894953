"""The source's slices, each as important as it looks like the target's."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.transfer._domain_classifier import Domain, DomainOdds, cross_fitted_odds
from seg.transfer._slice_features import pooled_features
from seg.transfer._slice_weights import SliceWeights
from seg.transfer._source_loss import SourceLossSettings, SourceTrained, refuse_two_weightings
from seg.transfer.component import ComponentInfo, Task
from seg.values import AboveZero


class ImportanceSettings(SourceLossSettings):
    """How loud the source is beside the target, and how its slices are weighed."""

    clip: Annotated[float, Field(ge=1, le=1000)] = 5.0
    """Odds above so many times their median, and below so small a part of it, count as that; 1 makes all weights equal.

    Own choice: liver (MSD) and pancreas (NIH) slices are told apart so well that odds as they are leave 10 % of the
    source's slices effective (liver ResNet50, 321 and 184 slices); at 5 it is 51 %.
    """
    l2: AboveZero = 1.0
    """Penalty on the classifier's weights beside its mean loss; features have unit variance.

    There are more features than slices. Own choice: of 0.001 to 100, 1 told held-out patients of the slices above apart
    best (95 %).
    """
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """In how many parts patients are drawn, each judged by a classifier that did not see it; 5 is the habit."""


class Importance(SourceTrained):
    """Weights source slices by the odds w(x) = P(target | x) / P(source | x) of a domain classifier.

    The classifier reads the start network's deepest encoder map, averaged over the slice: what a scan looks like as a
    whole (scanner, contrast, height in the body), not which organ is labelled, so disjoint organs do no harm. It sees
    all labelled and unlabelled target slices, and the source's slices before augmentation and adaptation. Weights are
    made once and stay. Odds are centred on their median before they are clipped: scaling to mean 1 takes a common
    factor away anyhow, and of domains that are easily told apart, the order would else be clipped away.

    Source: Shimodaira 2000, Improving predictive inference under covariate shift (weights); Bickel et al. 2007 (odds).
    """

    def __init__(self, task: Task, settings: ImportanceSettings) -> None:
        """All weights are 1 until `prepare`."""
        super().__init__(task, settings)
        self._knobs = settings
        self._weights = SliceWeights(task.cases["source"])
        self._accuracy = torch.zeros((), dtype=torch.float64)

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Weigh the slices with the network as it is now."""
        super().prepare(network, start)
        self._task.say("importance: comparing the source's slices with the target's")
        odds = self._odds(network)
        self._accuracy = torch.tensor(odds.accuracy, dtype=torch.float64)
        self._weights.replace(self._weights_of(torch.from_numpy(odds.log_odds)))
        self._task.say(
            f"importance: {odds.accuracy:.0%} of held-out slices are told apart; weighted, {len(self._weights.values)}"
            f" source slices count as {self._weights.effective_number:.0f}"
        )

    def slice_weights(self, batch: Batch) -> Tensor:
        """The slices' importance."""
        return self._weights.of(batch.where)

    def readings(self) -> dict[str, float]:
        """How well held-out slices are told apart, and as how many source slices the weighted ones count."""
        return {
            "importance/domain_accuracy": float(self._accuracy),
            "importance/effective_slices": self._weights.effective_number,
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Outputs and weights; another machine would find slightly other features."""
        return {**super().state_dict(), "weights": self._weights.values, "accuracy": self._accuracy}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore them."""
        super().load_state_dict(state)
        self._weights.values, self._accuracy = state["weights"], state["accuracy"]

    def _odds(self, network: SegNetwork) -> DomainOdds:
        cases, knobs = self._task.cases, self._knobs
        target = self._domain(network, [*cases.get("labelled", ()), *cases.get("unlabelled", ())])
        source = self._domain(network, cases["source"])
        return cross_fitted_odds(source, target, folds=knobs.folds, l2=knobs.l2, seed=self._task.settings.train.seed)

    def _domain(self, network: SegNetwork, cases: Sequence[PreparedCase]) -> Domain:
        task = self._task
        features = pooled_features(network, cases, task.plan.neighbours, task.settings.predict.batch_size, task.cache)
        return Domain(features, [case.patient for case in cases for _ in range(len(case))])

    def _weights_of(self, log_odds: Tensor) -> Tensor:
        limit = math.log(self._knobs.clip)
        ratios = (log_odds - log_odds.quantile(0.5)).clamp(-limit, limit).exp()
        rows, count = self._weights.rows, len(self._weights.values)
        return torch.zeros(count, dtype=torch.float64).index_add(0, rows, ratios) / rows.bincount(minlength=count)


def _make(task: Task, settings: ImportanceSettings) -> Importance:
    refuse_two_weightings(task.settings)
    return Importance(task, settings)


COMPONENT = ComponentInfo(
    title="Importance-weighted source",
    level="instance",
    moves="the source's labelled slices, the more the more they look like the target's",
    learns="everything, from slices of both domains",
    needs=("source scans",),
    paper="Shimodaira 2000; Bickel et al. 2007, Discriminative learning for differing distributions",
    make=_make,
    settings=ImportanceSettings,
)
