from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.knobs import component_settings
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.transfer._corruption import (
    Rates,
    bezier,
    damaged,
    painted_inside,
    painted_outside,
    remapped,
    shuffled,
)
from seg.transfer.component import Forward, Task
from seg.transfer.restoration import CLEAN, COMPONENT, DAMAGED, Restoration, RestorationSettings

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
PLAN = Plan((), (), 1.0, "mm", 64, 1, (Intensity("window", -160, 240),))
NEVER = Rates(0.0, 0.0, 0.0, 0.0)


def _image(side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    return np.stack([rows, columns, (rows + columns) / 2])


def _random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _task(words: Sequence[str] = (), labelled: Sequence[PreparedCase] = ()) -> Task:
    settings = resolve(["strategy=restoration", *words])
    return Task(settings, PLAN, {"unlabelled": (), "labelled": labelled}, None, (), Path("cache"))


def _component(words: Sequence[str] = ()) -> Restoration:
    task = _task(words)
    knobs = component_settings(RestorationSettings, "restoration", task.settings.components["restoration"])
    component = COMPONENT.make(task, knobs)
    assert isinstance(component, Restoration)
    return component


def _beside() -> Restoration:
    return _component(["strategy=supervised,restoration"])


def _batch(size: int = 2) -> Batch:
    images = torch.rand(size, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(size, 1, 64, 64)
    return Batch(images, nothing, nothing.bool(), ("a",) * size)


def _network() -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL, 1, 3)[0]


def test_the_curve_is_the_bezier_curve_of_its_control_points() -> None:
    points = np.array([[0.0, 0.0], [0.9, 0.1], [0.3, 0.7], [1.0, 1.0]])

    def between(points: np.ndarray, t: float) -> np.ndarray:
        """De Casteljau: points between points between points."""
        return points[0] if len(points) == 1 else between((1 - t) * points[:-1] + t * points[1:], t)

    expected = np.stack([between(points, t) for t in np.linspace(0, 1, 1000)], axis=1)
    assert_allclose(bezier(points), expected, atol=1e-12)


def test_intensities_change_monotonely_and_fall_about_half_of_the_time() -> None:
    greys = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 256)
    curves = [remapped(greys, _random(seed)).ravel() for seed in range(60)]
    falling = 0
    for curve in curves:
        steps = np.diff(curve)
        assert (steps >= -1e-6).all() or (steps <= 1e-6).all()
        assert curve.min() == pytest.approx(0, abs=1e-6)
        assert curve.max() == pytest.approx(1, abs=1e-6)
        falling += curve[0] > curve[-1]
    assert 18 <= falling <= 42


def test_shuffling_moves_pixels_within_small_windows_alike_in_all_channels() -> None:
    places = np.arange(64 * 64, dtype=np.float32).reshape(1, 64, 64)
    origin = shuffled(np.repeat(places, 2, axis=0), _random())
    assert np.array_equal(origin[0], origin[1])
    row, column = np.divmod(origin[0].astype(int), 64)
    rows, columns = np.mgrid[:64, :64]
    # Windows have sides of at most 64 // 10 = 6 pixels.
    assert np.abs(row - rows).max() <= 5
    assert np.abs(column - columns).max() <= 5
    assert 0.5 < (origin[0] != places[0]).mean() < 0.95


def test_small_slices_can_be_damaged_too() -> None:
    for seed in range(20):
        found = damaged(_image(32), Rates(1.0, 1.0, 1.0, seed % 2), _random(seed))
        assert found.image.shape == (3, 32, 32)
        assert found.done == ("shuffled", "intensities changed", f"painted {'inside' if seed % 2 else 'outside'}")


def test_painting_inside_leaves_the_margin_and_most_of_the_slice() -> None:
    image = _image(66)
    shares = []
    for seed in range(40):
        changed = (painted_inside(image, _random(seed)) != image).any(axis=0)
        shares.append(changed.mean())
        assert not changed[:3].any()
        assert not changed[-3:].any()
        assert not changed[:, :3].any()
        assert not changed[:, -3:].any()
    # Five windows of a quarter of each side cover at most 5 / 16, and less where they overlap.
    assert 0.15 < np.mean(shares) < 5 / 16
    assert max(shares) <= 5 / 9


def test_painting_outside_keeps_windows_of_about_half_the_side() -> None:
    image = _image(70)
    kept = [(painted_outside(image, _random(seed)) == image).all(axis=0) for seed in range(40)]
    for one in kept:
        assert one.any(axis=1).sum() >= 30
        assert one.any(axis=0).sum() >= 30
        assert not one[:3].any()
    assert 0.3 < np.mean(kept) < 0.75


def test_each_kind_of_damage_is_done_as_often_as_its_rate_says() -> None:
    rates = Rates(intensity=0.9, shuffling=0.5, painting=0.9, inpainting=0.2)
    done = [name for seed in range(400) for name in damaged(_image(32), rates, _random(seed)).done]
    expected = {"intensities changed": 360, "shuffled": 200, "painted inside": 72, "painted outside": 288}
    for name, count in expected.items():
        assert abs(done.count(name) - count) < 45, name


def test_without_any_rate_a_slice_stays_as_it_is() -> None:
    found = damaged(_image(), NEVER, _random())
    assert found.done == ()
    assert np.array_equal(found.image, _image())


def test_the_defaults_are_the_published_ones() -> None:
    knobs = RestorationSettings()
    assert (knobs.intensity, knobs.shuffling, knobs.painting, knobs.inpainting) == (0.9, 0.5, 0.9, 0.2)


def test_damage_depends_on_seed_step_and_slice_and_on_nothing_else() -> None:
    batch = {"unlabelled": _batch()}
    first = _component().change(batch, 3)["unlabelled"].images
    torch.rand(5)
    assert torch.equal(first, _component().change(batch, 3)["unlabelled"].images)
    assert not torch.equal(first, _component().change(batch, 4)["unlabelled"].images)
    assert not torch.equal(first, _component(["train.seed=1"]).change(batch, 3)["unlabelled"].images)
    same = torch.cat([_batch(1).images] * 2)
    twice = _component().change({"unlabelled": Batch(same, same, same.bool(), ("a", "a"))}, 3)["unlabelled"].images
    assert not torch.equal(twice[0], twice[1])
    assert torch.equal(batch["unlabelled"].images, _batch().images)


def test_alone_the_damaged_slices_are_the_target_and_beside_others_a_stream_of_their_own() -> None:
    batch = _batch()
    alone = _component().change({"unlabelled": batch}, 0)
    assert torch.equal(alone[CLEAN].images, batch.images)
    assert not torch.equal(alone["unlabelled"].images, batch.images)
    beside = _beside().change({"labelled": batch, "unlabelled": batch}, 0)
    assert torch.equal(beside["unlabelled"].images, batch.images)
    assert torch.equal(beside[DAMAGED].images, alone["unlabelled"].images)


def _mean_square(network: SegNetwork, head: dict[str, Tensor], damaged: Tensor, clean: Tensor) -> float:
    """Straight from the paper: the mean of (sigmoid(head(decoder(encoder(damaged)))) - clean) squared."""
    with torch.no_grad():
        decoded = network(damaged).decoded
        logits = torch.nn.functional.conv2d(decoded, head["head.out.weight"], head["head.out.bias"], padding=1)
    restored = 1 / (1 + np.exp(-logits.double().numpy()))
    return float(np.mean((restored - clean.double().numpy()) ** 2))


@pytest.mark.parametrize("alone", [True, False])
def test_the_loss_is_the_mean_squared_difference_to_the_clean_slices_without_labels(alone: bool) -> None:
    component = _component(["restoration.weight=0.5"]) if alone else _beside()
    network = _network().eval()
    component.prepare(network, WeightReport("none"))
    batches = component.change({"unlabelled": _batch()} | ({} if alone else {"labelled": _batch()}), 0)
    found = component.losses(Forward(network, batches), 0)
    assert list(found) == ["restoration"]
    damaged = batches["unlabelled" if alone else DAMAGED].images
    expected = _mean_square(network, component.state_dict(), damaged, _batch().images)
    assert float(found["restoration"].detach()) == pytest.approx((0.5 if alone else 1.0) * expected, rel=1e-5)


def test_the_error_is_taken_in_single_precision_under_autocast() -> None:
    component, network = _component(), _network()
    component.prepare(network, WeightReport("none"))
    batches = component.change({"unlabelled": _batch()}, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        term = component.losses(Forward(network, batches), 0)["restoration"]
    assert term.dtype == torch.float32
    term.backward()
    assert all(p.grad is not None for group in component.own_groups() for p in group.parameters)


def test_no_gradient_reaches_the_heads_of_organs() -> None:
    component, network = _component(), _network()
    component.prepare(network, WeightReport("none"))
    component.losses(Forward(network, component.change({"unlabelled": _batch()}, 0)), 0)["restoration"].backward()
    learned = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert learned == {"encoder", "decoder"}


def test_norm_statistics_follow_the_damaged_slices_only_where_restoration_is_alone() -> None:
    for component, moved in ((_component(), True), (_beside(), False)):
        network = _network().train()
        before = network.get_buffer("encoder.bn1.running_mean").clone()
        component.prepare(network, WeightReport("none"))
        batches = component.change({"unlabelled": _batch()} | ({} if moved else {"labelled": _batch()}), 0)
        component.losses(Forward(network, batches), 0)
        assert torch.equal(before, network.get_buffer("encoder.bn1.running_mean")) != moved


def test_encoder_and_decoder_learn_in_one_group_each_a_pretrained_encoder_more_slowly() -> None:
    component, network = _component(["optim.encoder_lr_factor=0.2"]), _network()
    start = WeightReport("file", rows=(WeightRow("encoder.conv1.weight", "loaded", (1,), (1,)),))
    component.prepare(network, start)
    groups = component.groups(network, start)
    assert groups is not None
    grouped = [id(p) for group in groups for p in group.parameters]
    parts = [*network.encoder.parameters(), *network.decoder.parameters()]
    assert sorted(grouped) == sorted(id(p) for p in parts)
    assert {group.name: group.lr_factor for group in groups}["encoder"] == 0.2
    plain = component.groups(network, WeightReport("none"))
    assert plain is not None
    assert {group.lr_factor for group in plain} == {1.0}
    head = [p for group in component.own_groups() for p in group.parameters]
    assert len(head) == 2
    assert not {id(p) for p in head} & {id(p) for p in network.parameters()}


def test_beside_others_restoration_leaves_the_learning_rates_to_them() -> None:
    component, network = _beside(), _network()
    component.prepare(network, WeightReport("none"))
    assert component.groups(network, WeightReport("none")) is None


def test_the_head_is_the_same_for_the_same_seed_comes_back_and_leaves_global_randomness_alone() -> None:
    network = _network()
    first, second = _component(), _component()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first.prepare(network, WeightReport("none"))
    assert torch.equal(torch.rand(3), expected)
    second.prepare(network, WeightReport("none"))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    changed = {name: tensor + 1 for name, tensor in first.state_dict().items()}
    second.load_state_dict(changed)
    assert torch.equal(second.state_dict()["head.out.weight"], changed["head.out.weight"])
    assert second.state_dict()["head.out.weight"].shape[0] == 3


def test_restoration_alone_is_refused_where_organs_are_to_be_learned(tmp_path: Path) -> None:
    case = PreparedCase("a", "a", tmp_path, contiguous=True, labelled=True, organ_slices=(0,))
    with pytest.raises(UsageError, match="learns no organ") as refused:
        Restoration(_task(labelled=[case]), RestorationSettings())
    assert "seg pretrain" in refused.value.fix
    Restoration(_task(["strategy=supervised,restoration"], [case]), RestorationSettings())
