"""What holds for every strategy and every component, whatever it does. Real loop, phantom scans, liver to pancreas."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from seg.api import transfer_settings, transfer_words
from seg.config import Settings
from seg.data.splits import SplitPlan
from seg.data.streams import Batches
from seg.errors import UsageError
from seg.overrides import config_names, load_named, resolve
from seg.recipes.components import (
    component_infos,
    fitted_to_labels,
    needs_source_scans,
    refuse_start_without_needs,
    with_knobs,
)
from seg.recipes.prepare import _quiet, check_and_split, prepare_checked
from seg.recipes.source import Origin, find_origins
from seg.recipes.source_scans import source_cases
from seg.recipes.start import start_network
from seg.recipes.train import make_training, train
from seg.registry import COMPONENTS
from seg.runs import Run
from seg.train.checkpoint import save_checkpoint
from seg.train.loop import take_step, training_batches
from seg.train.saved import moment, restore
from seg.train.training import Progress, Training

STRATEGIES = config_names("strategy")
ALONE = ("supervised", "restoration")
"""Presets of `seg train` and `seg pretrain`, which a transfer only has beside others."""
TRANSFERS = tuple(name for name in STRATEGIES if name not in ALONE)
FROZEN = {"freeze": "encoder.", "feature_extract": "encoder."}
FROZEN_AT_FIRST = {**FROZEN, "gradual": "encoder."}
"""Which tensors a strategy promises to leave alone, norm statistics included: always, and in the first step."""
STEPS = 4


@pytest.fixture(scope="module")
def source(phantoms: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A liver model of a few steps. Tests must not change it."""
    words = [
        "organ=liver", f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=64", "train.threads=1",
        f"runs.folder={tmp_path_factory.mktemp('source')}", "runs.name=liver", "model.encoder=resnet18",
        "model.weights=none", "model.decoder_channels=32,16,16,8,8", "train.steps=4", "train.batch_size=4",
        "train.validations=1", "train.tensorboard=false", "evaluate.bootstrap_samples=100", "train.precision=fp32",
    ]  # fmt: skip
    run = train(resolve(words), console=Console(quiet=True))
    assert run is not None
    return run


@pytest.fixture
def start(source: Run, phantoms: Path, cache: Path) -> Callable[..., Training]:
    """A transfer to the pancreas that is ready for its first step."""

    def started(*strategies: str) -> Training:
        words = (
            f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=64", "data.labelled=2",
            f"train.steps={STEPS}", "train.batch_size=4", "train.precision=fp32", "train.tensorboard=false",
            "train.ema_half_life=0.1",
        )  # fmt: skip
        settings = with_knobs(
            transfer_settings(transfer_words(str(source.folder), "pancreas", words, strategy=strategies))
        )
        origins = find_origins(settings)
        checked = check_and_split(settings)
        settings = fitted_to_labels(settings, origins, checked.split)
        prepared = prepare_checked(checked, settings)
        scans = source_cases(origins, prepared.plan, settings, _quiet) if needs_source_scans(settings) else []
        torch.manual_seed(0)
        network, weights = start_network(settings, prepared.plan, origins)
        return make_training(settings, prepared, network, weights, origins, scans)

    return started


def _batches(training: Training, steps: range) -> list[Batches]:
    return list(training_batches(training, range(steps.start, STEPS)))[: len(steps)]


def _state(training: Training) -> dict[str, Tensor]:
    kept = {f"network.{name}": tensor for name, tensor in training.network.state_dict().items()}
    kept |= {f"exported.{name}": tensor for name, tensor in training.exported().items()}
    for number, component in enumerate(training.components):
        kept |= {f"{number}.{name}": tensor for name, tensor in component.state_dict().items()}
    return {name: tensor.detach().clone() for name, tensor in kept.items()}


def test_every_component_belongs_to_a_strategy():
    listed = {name for strategy in STRATEGIES for name in load_named("strategy", strategy)["components"]}
    assert listed == set(COMPONENTS.names())


@pytest.mark.parametrize("name", COMPONENTS.names())
def test_a_component_says_what_it_is(name):
    info = COMPONENTS.load(name).COMPONENT
    assert all([info.title, info.moves, info.learns, info.paper])
    assert all(field.description for field in info.settings.model_fields.values())
    assert info.settings()  # every knob has a default


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_steps_give_named_finite_terms(start, strategy):
    training = start(*dict.fromkeys(("supervised", strategy) if strategy in ALONE else (strategy,)))
    for step, batches in enumerate(_batches(training, range(2))):
        terms = take_step(training, batches, step)
        assert len(terms) > 1
        assert all(name == "loss" or name.startswith("loss/") for name in terms)
        assert all(bool(torch.isfinite(term)) for term in terms.values())
        total = sum(float(term) for name, term in terms.items() if name != "loss")
        assert total == pytest.approx(float(terms["loss"]), rel=1e-4)
    assert all(bool(torch.isfinite(t.float()).all()) for t in _state(training).values())


@pytest.mark.parametrize("strategy", TRANSFERS)
def test_what_is_promised_to_stay_stays_and_the_rest_learns(start, strategy):
    training = start(strategy)
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    unchanged = []
    for step, batches in enumerate(_batches(training, range(STEPS))):
        take_step(training, batches, step)
        now = training.network.state_dict()
        unchanged.append({name for name in before if torch.equal(before[name], now[name])})
    first = {name for name in before if strategy in FROZEN_AT_FIRST and name.startswith(FROZEN_AT_FIRST[strategy])}
    always = {name for name in before if strategy in FROZEN and name.startswith(FROZEN[strategy])}
    assert first - unchanged[0] == set()
    assert always - unchanged[-1] == set()
    if strategy != "lora":  # whose base stays while its own adapters learn: tests/transfer/test_lora.py
        inputs = {"input_mean", "input_std"}
        assert {name for name in unchanged[-1] - always - inputs if not name.endswith("num_batches_tracked")} == set()


@pytest.mark.parametrize("strategy", TRANSFERS)
def test_a_resumed_training_takes_the_next_step_alike(start, strategy, tmp_path):
    run = Run(tmp_path)
    one = start(strategy)
    batches = _batches(one, range(3))
    for step in range(2):
        take_step(one, batches[step], step)
    save_checkpoint(run.checkpoints, moment(one, Progress(STEPS, step=2)))
    first = take_step(one, batches[2], 2)

    other = start(strategy)
    progress = restore(other, run, Progress(STEPS))
    assert progress.step == 2
    (after,) = _batches(other, range(2, 3))
    second = take_step(other, after, 2)
    assert {name: float(term) for name, term in first.items()} == {name: float(term) for name, term in second.items()}
    expected, found = _state(one), _state(other)
    assert set(expected) == set(found)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


@pytest.mark.parametrize("strategy", TRANSFERS)
def test_the_kept_weights_fit_a_plain_network(start, strategy):
    training = start(strategy)
    (batches,) = _batches(training, range(1))
    take_step(training, batches, 0)
    plain = start("supervised").network
    plain.load_state_dict(training.exported())


def _split(train: int, unlabelled: int) -> SplitPlan:
    names = [f"p{number}" for number in range(10)]
    return SplitPlan(tuple(names[:train]), (), ("t",), tuple(names[train : train + unlabelled]), 0, "by hand")


def _lacking(need: str) -> tuple[tuple[Origin, ...], SplitPlan]:
    run = (Origin("liver", Run(Path("liver")), Path("model.safetensors")),)
    return {
        "labels": (run, _split(0, 3)),
        "unlabelled": (run, _split(3, 0)),
        "weights": ((Origin("none"),), _split(3, 3)),
        "source model": ((Origin("imagenet"),), _split(3, 3)),
        "source scans": ((Origin("file", None, Path("file.safetensors")),), _split(3, 3)),
        "teacher": (run, _split(3, 3)),
    }[need]


def _needs() -> list[tuple[str, str]]:
    infos = {name: component_infos(_settings(name)) for name in STRATEGIES}
    found = {(name, need) for name, parts in infos.items() for info in parts.values() for need in info.needs}
    return sorted(found)


def _settings(strategy: str, lacking: str = "") -> Settings:
    """Of the strategy, without the components that meet this need of others."""
    settings = with_knobs(resolve(["organ=pancreas", f"strategy={strategy}"]))
    infos = component_infos(settings)
    kept = {name: knobs for name, knobs in settings.components.items() if lacking not in infos[name].gives}
    return settings.model_copy(update={"components": kept})


@pytest.mark.parametrize(("strategy", "need"), _needs())
def test_a_missing_need_is_refused_before_anything_runs(strategy, need, monkeypatch):
    monkeypatch.setattr(Origin, "organs", ("liver",))
    origins, split = _lacking(need)
    with pytest.raises(UsageError) as refused:
        fitted_to_labels(_settings(strategy, need), origins, split)
    assert refused.value.code == "missing-need"
    told = {"labels": "labelled", "source model": "model", "source scans": "scans"}.get(need, need)
    assert told in refused.value.found
    if need not in ("labels", "unlabelled"):
        with pytest.raises(UsageError, match=told):
            refuse_start_without_needs(_settings(strategy, need), origins)
