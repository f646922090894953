import math
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.transfer.component import Forward, Task
from seg.transfer.tradaboost import (
    COMPONENT,
    Tradaboost,
    TradaboostSettings,
    expected_steps,
    expected_visits,
    slice_errors,
)

PLAN = Plan(("pancreas",), (1,), 1.0, "px", 64, 1, (Intensity("range", 0.0, 255.0),))
NAMES = tuple(f"{case}, slice {z}" for case in "ab" for z in range(3))


@pytest.fixture(scope="module")
def network() -> SegNetwork:
    torch.manual_seed(0)
    model = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
    return build_network(model, 1, 3)[0].eval().requires_grad_(False)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return _task(tmp_path)


def _task(folder: Path, *words: str) -> Task:
    source = []
    for name in "ab":
        (folder / name).mkdir(exist_ok=True)
        np.save(folder / name / "image.npy", np.zeros((3, 1, 64, 64), dtype=np.float16))
        source.append(PreparedCase(name, name, folder / name, contiguous=True, labelled=True, organ_slices=(0, 1, 2)))
    settings = resolve(["organ=pancreas", "strategy=tradaboost", *words])
    return Task(settings, PLAN, {"labelled": source[:1], "source": source}, None, ("liver",), folder)


def _made(task: Task, network: SegNetwork, **knobs: object) -> Tradaboost:
    component = COMPONENT.make(task, TradaboostSettings.model_validate(knobs))
    assert isinstance(component, Tradaboost)
    component.prepare(network, WeightReport("none"))
    return component


def _batch(*rows: int, seed: int = 0) -> Batch:
    images = torch.rand(len(rows), 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    masks = (images[:, :1] > 0.7).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), tuple(NAMES[row] for row in rows))


def _weights(component: Tradaboost) -> np.ndarray:
    found: np.ndarray = component.state_dict()["weights"].numpy()
    return found


@pytest.mark.parametrize("rounds", [1, 10, 300])
def test_beta_is_the_papers(task: Task, network: SegNetwork, rounds: int) -> None:
    assert _made(task, network, rounds=rounds).beta == pytest.approx(1 / (1 + math.sqrt(2 * math.log(6) / rounds)))


def test_a_seen_slice_is_multiplied_by_beta_to_its_error(task: Task, network: SegNetwork) -> None:
    component = _made(task, network, rounds=2, floor=0.0)
    beta, expected = 1 / (1 + math.sqrt(math.log(6))), np.ones(6)
    for step, rows in enumerate(((0, 4), (4, 1))):
        batch = _batch(*rows, seed=step)
        forward = Forward(network, {"labelled": batch, "source": batch})
        component.losses(forward, step)
        logits, _ = component.heads(network, forward.output("source"))
        probability = (1 / (1 + np.exp(-logits.detach().double().numpy())))[:, 0]
        truth = batch.masks.double().numpy()[:, 0]
        for row, p, t in zip(rows, probability, truth, strict=True):
            error = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
            expected[row] *= beta**error
        component.after_step(network, step)
        expected /= expected.mean()
        np.testing.assert_allclose(_weights(component), expected, rtol=1e-5)
    assert expected[4] < expected[0] < 1 < expected[5]


def test_a_step_that_was_skipped_changes_no_weight(task: Task, network: SegNetwork) -> None:
    component = _made(task, network)
    component.losses(Forward(network, {"source": _batch(0, 1)}), 0)
    np.testing.assert_array_equal(_weights(component), np.ones(6))


def test_a_batch_counts_once(task: Task, network: SegNetwork) -> None:
    component = _made(task, network)
    component.losses(Forward(network, {"source": _batch(0, 1)}), 0)
    component.after_step(network, 0)
    once = _weights(component).copy()
    component.after_step(network, 1)
    np.testing.assert_array_equal(_weights(component), once)


def test_no_weight_falls_far_below_the_floor_and_their_mean_stays_one(task: Task, network: SegNetwork) -> None:
    component = _made(task, network, rounds=1, floor=0.2)
    batch = _batch(0, 1)
    for step in range(40):
        component.look_at(batch, batch.masks * -60 + 30)
        component.after_step(network, step)
    weights = _weights(component)
    assert weights.mean() == pytest.approx(1)
    assert 0.2 / 1.2 <= weights.min() <= 0.2
    assert weights[2:].min() > 1


def test_the_loss_uses_the_weights(task: Task, network: SegNetwork) -> None:
    component = _made(task, network, rounds=1, floor=0.0)
    forward = Forward(network, {"source": _batch(0)})
    before = component.losses(forward, 0)["source_mask"]
    component.after_step(network, 0)
    after = component.losses(forward, 1)["source_mask"]
    assert _weights(component)[0] < 1
    torch.testing.assert_close(after, before * component.state_dict()["weights"][0].float())


def test_errors_are_between_right_and_wrong() -> None:
    masks = torch.zeros(4, 1, 32, 32)
    masks[:3, :, 8:24, 8:24] = 1
    logits = torch.full_like(masks, -30)
    logits[0][masks[0] == 1] = 30
    logits[1] = 30
    logits[2, :, :4] = 30
    errors = slice_errors(logits, masks, torch.ones_like(masks, dtype=torch.bool))
    # Right, everything, elsewhere, and rightly nothing.
    np.testing.assert_allclose(errors, [0, 1 - 513 / 1281, 1 - 1 / 385, 0], atol=1e-6)


def test_errors_are_means_over_organs_of_valid_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, masks = torch.randn(2, 2, 16, 16, generator=generator), torch.zeros(2, 2, 16, 16)
    masks[:, :, 4:12, 4:12] = 1
    valid = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[:, :, :6] = False
    halves = [slice_errors(logits[:, o : o + 1, 6:], masks[:, o : o + 1, 6:], valid[:, :, 6:]) for o in range(2)]
    torch.testing.assert_close(slice_errors(logits, masks, valid), (halves[0] + halves[1]) / 2)


@pytest.mark.parametrize(
    ("words", "visits"),
    [
        (["train.steps=30", "train.batch_size=4"], 20),
        (["train.steps=30", "train.batch_size=4", "train.source_batch_size=2"], 10),
        (["train.steps=null", "train.batch_size=6"], 1000),
        (["train.epochs=8", "train.batch_size=2"], 4),
        (["train.steps=1", "train.batch_size=1"], 1),
    ],
)
def test_rounds_are_as_many_as_a_slice_is_seen(tmp_path: Path, words: list[str], visits: int) -> None:
    task = _task(tmp_path, *words)
    assert expected_visits(task, expected_steps(task)) == visits


def test_left_out_rounds_follow_from_the_length_of_the_training(tmp_path: Path, network: SegNetwork) -> None:
    task = _task(tmp_path, "train.steps=30", "train.batch_size=4")
    assert _made(task, network).beta == _made(task, network, rounds=20).beta


def test_a_training_that_a_time_budget_shortens_has_fewer_rounds(tmp_path: Path, network: SegNetwork) -> None:
    task, batch = _task(tmp_path, "train.steps=300", "train.batch_size=4"), {"source": _batch(0, 1)}
    component, told = _made(task, network), _made(task, network, rounds=200)
    component.losses(Forward(network, batch, 0 / 300), 0)
    assert component.beta == told.beta
    for one in (component, told):
        one.losses(Forward(network, batch, 27 / 30), 27)
    assert component.beta == _made(task, network, rounds=20).beta
    assert told.beta == _made(task, network, rounds=200).beta


def test_weights_are_kept_and_restored(task: Task, network: SegNetwork) -> None:
    component, resumed = _made(task, network), _made(task, network)
    component.losses(Forward(network, {"source": _batch(0, 1)}), 0)
    component.after_step(network, 0)
    resumed.load_state_dict({name: tensor.clone() for name, tensor in component.state_dict().items()})
    assert torch.equal(resumed.slice_weights(_batch(0, 5)), component.slice_weights(_batch(0, 5)))
    assert resumed.readings() == component.readings()
    assert resumed.readings()["tradaboost/effective_slices"] < 6


def test_it_is_refused_beside_another_weighting(tmp_path: Path, network: SegNetwork) -> None:
    with pytest.raises(UsageError, match="importance and tradaboost together"):
        _made(_task(tmp_path, "strategy=tradaboost,importance"), network)
