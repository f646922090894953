from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from seg.config import Augment
from seg.data.dataset import Batch
from seg.data.order import SliceOrder
from seg.errors import UsageError
from seg.models.network import build_network
from seg.models.split_blocks import SplitBlock
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.recipes.components import with_knobs
from seg.recipes.prepare import Prepared, prepare
from seg.recipes.train import make_training
from seg.runs import Run
from seg.train.checkpoint import load_file
from seg.train.log import TrainingLog
from seg.train.loop import fit, take_step, training_batches
from seg.train.training import Progress, Training
from seg.transfer._feature_views import Views
from seg.transfer.component import Task
from seg.transfer.feature_extract import COMPONENT, FeatureExtract, FeatureExtractSettings

WORDS = (
    "strategy=feature_extract",
    "feature_extract.views=2",
    "data.labelled=2",
    "train.steps=6",
    "train.ema_half_life=0.2",
)


@pytest.fixture
def words(small_words: list[str], tmp_path: Path) -> list[str]:
    """With a cache of the test's own, since entries of another test would be found there."""
    own = [word for word in small_words if not word.startswith("prepare.cache")]
    return [*own, f"prepare.cache={tmp_path / 'cache'}", *WORDS]


@pytest.fixture
def prepared(words: list[str]) -> Prepared:
    return prepare(resolve(words))


@pytest.fixture
def make(words: list[str], prepared: Prepared) -> Callable[..., Training]:
    """A training from the kept features of a random encoder."""

    def made(*more: str, seed: int = 0) -> Training:
        settings = with_knobs(resolve([*words, *more]))
        torch.manual_seed(seed)
        network, weights = build_network(settings.model, 1, prepared.plan.input_channels)
        return make_training(settings, prepared, network, weights)

    return made


def _component(training: Training) -> FeatureExtract:
    return next(component for component in training.components if isinstance(component, FeatureExtract))


def _batches(training: Training, steps: range = range(4)) -> list[Batch]:
    found = _component(training).batches("labelled", steps, 4)
    assert found is not None
    return list(found)


def _entries(tmp_path: Path) -> dict[str, float]:
    return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "features").iterdir()}


def test_batches_carry_what_the_live_encoder_makes_of_their_images(make):
    training = make()
    for batch in _batches(training):
        assert batch.features is not None
        with torch.no_grad():
            live = training.network.eval().encode(batch.images)
        for kept, wanted in zip(batch.features, live, strict=True):
            assert kept.dtype == torch.float16
            assert float((kept.float() - wanted).abs().max() / wanted.abs().max()) < 1e-3


def test_slices_come_in_the_order_of_any_supervised_training_and_in_each_view_in_turn(make):
    training = make()
    cases = training.cases["labelled"]
    order = SliceOrder(cases, 0, training.settings.train.foreground_fraction)
    steps = range(2 * order.epoch_length // 4)
    told = [where for batch in _batches(training, steps) for where in batch.where]
    views: dict[str, set[str]] = {}
    for position, where in enumerate(told):
        case, z = order.at(position)
        slice_, view = where.rsplit(", ", 1)
        assert slice_ == f"{cases[case].name}, slice {z}"
        views.setdefault(slice_, set()).add(view)
    assert {"view 0", "view 1"} in views.values()
    assert {where.rsplit(", ", 1)[1] for where in told[:4]} == {"view 0", "view 1"}


def test_a_later_start_gives_what_an_uninterrupted_run_would_have_seen(make):
    training = make()
    for one, other in zip(_batches(training)[2:], _batches(training, range(2, 4)), strict=True):
        assert one.where == other.where
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.masks, other.masks)


def test_other_streams_are_left_to_the_loader(make):
    assert _component(make()).batches("unlabelled", range(1), 4) is None


def test_one_view_is_the_slice_itself(make):
    training = make("feature_extract.views=1")
    cases, plan = training.cases["labelled"], training.plan
    (batch,) = _batches(training, range(1))
    case, z = SliceOrder(cases, 0, training.settings.train.foreground_fraction).at(0)
    (plain,) = Views(plan, Augment(strength=0), 0).batches(cases[case], 0, len(cases[case]))
    assert torch.equal(batch.images[0], plain.images[z].half().float())
    assert torch.equal(batch.masks[0], plain.masks[z])
    assert all(where.endswith("view 0") for where in batch.where)


def test_what_was_made_once_is_found_again_and_damage_is_made_good(make, tmp_path):
    training = make()
    first = _entries(tmp_path)
    assert len(first) == 2 * len(training.cases["labelled"])
    make()
    assert _entries(tmp_path) == first
    damaged = tmp_path / "cache" / "features" / min(first) / "masks.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    make()
    assert {name for name, when in _entries(tmp_path).items() if when != first[name]} == {min(first)}


@pytest.mark.parametrize(
    ("word", "new"), [("feature_extract.views=3", 1), ("augment.strength=0.5", 1), ("train.seed=1", 2)]
)
def test_only_what_a_change_concerns_is_made_anew(make, tmp_path, word, new):
    count = len(make().cases["labelled"])
    assert len(_entries(tmp_path)) == 2 * count
    make(word)
    assert len(_entries(tmp_path)) == (2 + new) * count


def test_another_encoder_has_features_of_its_own(make, tmp_path):
    one = make()
    other = make(seed=1)
    assert len(_entries(tmp_path)) == 4 * len(one.cases["labelled"])
    features = [_batches(training, range(1))[0].features for training in (one, other)]
    assert features[0] is not None
    assert features[1] is not None
    assert not torch.equal(features[0][-1], features[1][-1])


def test_sizes_are_said_before_and_progress_after(make, capsys):
    make()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("slices in 2 views, in half precision:")
    assert lines[1].strip().startswith("level 5 (512 x 2 x 2)")
    assert "free in" in lines[8]
    assert lines[-1].startswith("Features: ")


def test_too_large_a_cache_is_refused_before_anything_is_made(make, tmp_path):
    with pytest.raises(UsageError, match=r"feature_extract\.limit_gb"):
        make("feature_extract.limit_gb=0.001")
    assert not (tmp_path / "cache" / "features").exists()


def test_the_encoder_stays_to_the_last_bit_and_the_rest_learns(make):
    training = make()
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    for step, batches in enumerate(training_batches(training, range(3))):
        take_step(training, batches, step)
    now = training.network.state_dict()
    unchanged = {name for name in before if torch.equal(before[name], now[name])}
    assert unchanged == {name for name in before if name.startswith(("encoder.", "input_"))}
    moved = {id(p) for group in training.optimizer.param_groups for p in group["params"]}
    assert moved.isdisjoint({id(p) for p in training.network.encoder.parameters()})


def test_a_step_gives_what_the_live_frozen_encoder_would_give(make):
    training = make()
    (batches, *_) = training_batches(training, range(2))
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    kept = take_step(training, batches, 0)
    training.network.load_state_dict(before)
    live = take_step(training, {"labelled": replace(batches["labelled"], features=None)}, 0)
    assert float(kept["loss"]) == pytest.approx(float(live["loss"]), rel=2e-3)


def test_bf16_reads_the_features_in_bf16(make):
    training = make("train.precision=bf16")
    (batches, *_) = training_batches(training, range(2))
    seen: list[torch.dtype] = []
    block = next(module for module in training.network.decoder.modules() if isinstance(module, SplitBlock))
    block.register_forward_pre_hook(lambda module, given: seen.append(given[0].dtype))
    terms = take_step(training, batches, 0)
    assert seen == [torch.bfloat16]
    assert bool(torch.isfinite(terms["loss"]))


def test_a_finished_run_predicts_what_its_validation_saw(make, tmp_path):
    training = make("train.precision=bf16")
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    with TrainingLog(run, training.total_steps, 0, Console(quiet=True), tensorboard=False) as log:
        fit(training, run, log, Progress(training.total_steps))
    plain, _ = build_network(training.settings.model, 1, training.plan.input_channels)
    plain.to(memory_format=torch.channels_last)
    plain.load_state_dict(load_file(run.last))
    images = torch.rand(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with torch.no_grad(), training.precision.autocast():
        wanted = training.predictor.eval()(images).masks
        found = plain.eval()(images).masks
    assert torch.equal(found, wanted)


def test_an_encoder_that_another_component_lets_learn_is_refused(make):
    training = make()
    (batches, *_) = training_batches(training, range(2))
    next(training.network.encoder.parameters()).requires_grad_(True)
    with pytest.raises(UsageError) as refused:
        take_step(training, batches, 0)
    assert refused.value.code == "kept-features-learning"
    assert "encoder.conv1.weight" in refused.value.found


def test_without_labelled_slices_there_is_nothing_to_keep(make):
    training = make()
    task = Task(training.settings, training.plan, {}, None, (), Path("cache"))
    with pytest.raises(UsageError) as refused:
        COMPONENT.make(task, FeatureExtractSettings())
    assert refused.value.code == "missing-need"


def test_being_prepared_again_changes_nothing(make, tmp_path):
    training = make()
    entries, blocks = _entries(tmp_path), str(training.network)
    _component(training).prepare(training.network, WeightReport("none"))
    assert _entries(tmp_path) == entries
    assert str(training.network) == blocks
