from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.losses.dice_cross_entropy import dice_cross_entropy
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.transfer._domain_classifier import Domain, cross_fitted_odds
from seg.transfer._slice_features import pooled_features
from seg.transfer._slice_weights import slice_names
from seg.transfer.component import Forward, Task
from seg.transfer.importance import COMPONENT, Importance, ImportanceSettings

PLAN = Plan(("pancreas",), (1,), 1.0, "px", 64, 1, (Intensity("range", 0.0, 255.0),))


@pytest.fixture(scope="module")
def network() -> SegNetwork:
    torch.manual_seed(0)
    model = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
    return build_network(model, 1, 3)[0].requires_grad_(False)


def _case(folder: Path, name: str, stripes: float, seed: int) -> PreparedCase:
    """Noise with vertical stripes of a strength: the scanner that a slice comes from."""
    place = folder / name
    place.mkdir()
    image = np.random.default_rng(seed).random((3, 1, 64, 64)) * 0.6
    image += stripes * 0.4 * (np.arange(64) % 4 < 2)
    np.save(place / "image.npy", image.astype(np.float16))
    return PreparedCase(name, name, place, contiguous=False, labelled=False, organ_slices=())


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[PreparedCase]]:
    """Target scans with stripes; source scans without, but for one that is like the target's."""
    folder = tmp_path_factory.mktemp("scans")
    return {
        "labelled": [_case(folder, f"target{n}", 1.0, n) for n in range(2)],
        "unlabelled": [_case(folder, f"more{n}", 1.0, 10 + n) for n in range(3)],
        "source": [_case(folder, f"source{n}", 0.9 if n == 5 else 0.0, 20 + n) for n in range(8)],
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features that the tests share."""
    return tmp_path_factory.mktemp("cache")


def _task(cases: dict[str, list[PreparedCase]], cache: Path, *words: str) -> Task:
    settings = resolve(["organ=pancreas", "strategy=importance", *words])
    return Task(settings, PLAN, cases, None, ("liver",), cache)


def _made(task: Task, network: SegNetwork | None = None, **knobs: object) -> Importance:
    component = COMPONENT.make(task, ImportanceSettings.model_validate(knobs))
    assert isinstance(component, Importance)
    if network is not None:
        component.prepare(network, WeightReport("none"))
    return component


def _batch(where: Sequence[str]) -> Batch:
    images = torch.rand(len(where), 3, 64, 64, generator=torch.Generator().manual_seed(0))
    masks = (images[:, :1] > 0.7).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), tuple(where))


def test_slices_that_look_like_the_targets_weigh_most(cases, network: SegNetwork, cache: Path) -> None:
    component = _made(_task(cases, cache), network)
    weights = component.slice_weights(_batch(slice_names(cases["source"]))).reshape(8, 3)
    assert weights.mean() == pytest.approx(1)
    others = torch.cat([weights[:5], weights[6:]])
    assert weights[5].min() > 1.5 * others.max()


def test_weights_are_clipped_odds_of_mean_one(cases, network: SegNetwork, cache: Path) -> None:
    component = _made(_task(cases, cache, "train.seed=3"), network, clip=2.0, l2=0.5, folds=4)
    domains = []
    for scans in ([*cases["labelled"], *cases["unlabelled"]], cases["source"]):
        features = pooled_features(network, scans, 1, 8, cache)
        domains.append(Domain(features, [case.patient for case in scans for _ in range(3)]))
    odds = np.exp(cross_fitted_odds(domains[1], domains[0], folds=4, l2=0.5, seed=3).log_odds)
    middle = np.exp((np.log(np.sort(odds)[11]) + np.log(np.sort(odds)[12])) / 2)
    expected = np.clip(odds / middle, 1 / 2, 2)
    found = component.slice_weights(_batch(slice_names(cases["source"]))).numpy()
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-5)


def test_clipped_at_one_all_slices_weigh_the_same(cases, network: SegNetwork, cache: Path) -> None:
    component = _made(_task(cases, cache), network, clip=1.0)
    names = slice_names(cases["source"])
    torch.testing.assert_close(component.slice_weights(_batch(names)), torch.ones(24))
    assert component.readings()["importance/effective_slices"] == pytest.approx(24)


def test_the_loss_is_the_mean_of_weighted_slices(cases, network: SegNetwork, cache: Path) -> None:
    component = _made(_task(cases, cache), network.eval())
    batch = _batch(["source5, slice 0", "source0, slice 1"])
    forward = Forward(network, {"source": batch, "labelled": batch})
    logits, _ = component.heads(network, forward.output("source"))
    weights = component.slice_weights(batch)
    assert weights[0] > 1 > weights[1]
    slices = [dice_cross_entropy(logits[r][None], batch.masks[r][None], batch.valid[r][None]) for r in range(2)]
    expected = (weights[0] * slices[0] + weights[1] * slices[1]) / 2
    torch.testing.assert_close(component.losses(forward, 0)["source_mask"], expected)


def test_readings_tell_how_well_domains_are_told_apart(cases, network: SegNetwork, cache: Path) -> None:
    component = _made(_task(cases, cache), network)
    readings = component.readings()
    weights = component.slice_weights(_batch(slice_names(cases["source"]))).double()
    assert 0.9 <= readings["importance/domain_accuracy"] < 1.0
    effective = float(weights.sum() ** 2 / weights.square().sum())
    assert readings["importance/effective_slices"] == pytest.approx(effective, rel=1e-5)


def test_the_person_who_waits_is_told(cases, network: SegNetwork, cache: Path) -> None:
    told: list[str] = []
    component = _made(replace(_task(cases, cache), say=told.append), network)
    effective = component.readings()["importance/effective_slices"]
    assert len(told) == 2
    assert f"24 source slices count as {effective:.0f}" in told[1]


def test_domains_of_the_same_scanner_are_not_told_apart(network: SegNetwork, tmp_path: Path) -> None:
    alike = {
        stream: [_case(tmp_path, f"{stream}{n}", 0.5, first + n) for n in range(8)]
        for stream, first in (("labelled", 0), ("source", 50))
    }
    component = _made(_task(alike, tmp_path / "cache"), network)
    assert component.readings()["importance/domain_accuracy"] < 0.75
    assert component.readings()["importance/effective_slices"] > 12


def test_weights_are_kept_and_restored(cases, network: SegNetwork, cache: Path) -> None:
    task = _task(cases, cache)
    component, resumed = _made(task, network), _made(task, network, clip=1.0)
    state = {name: tensor.clone() for name, tensor in component.state_dict().items()}
    resumed.load_state_dict(state)
    names = slice_names(cases["source"])
    assert torch.equal(resumed.slice_weights(_batch(names)), component.slice_weights(_batch(names)))
    assert resumed.readings() == component.readings()
    assert {name: tuple(tensor.shape) for name, tensor in state.items() if "heads" not in name} == {
        "weights": (24,), "accuracy": ()
    }  # fmt: skip


def test_equal_slices_of_two_sources_get_one_weight(cases, network: SegNetwork, cache: Path) -> None:
    twice = {**cases, "source": [*cases["source"], cases["source"][5]]}
    component = _made(_task(twice, cache), network)
    weights = component.slice_weights(_batch(slice_names(cases["source"])))
    assert len(component.state_dict()["weights"]) == 24
    assert weights.reshape(8, 3)[5].min() > 1.5


def test_it_is_refused_beside_another_weighting(cases, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="importance and tradaboost together"):
        _made(_task(cases, tmp_path, "strategy=importance,tradaboost"))
