import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seg.config import Model, Settings
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.runs import Run
from seg.train.checkpoint import save_checkpoint
from seg.train.loop import take_step
from seg.train.precision import Precision
from seg.train.saved import moment, restore, write_last
from seg.train.training import Progress, Training
from seg.transfer._adapters import is_factor
from seg.transfer.component import Component, Task
from seg.transfer.freeze import Freeze, FreezeSettings
from seg.transfer.l2sp import L2sp, L2spSettings
from seg.transfer.lora import COMPONENT, Lora, LoraSettings
from seg.transfer.supervised import Supervised

PLAN = Plan(("liver",), (1,), 1.0, "mm", 64, 1, (Intensity("window", -160, 240),))
WORDS = ("optim.lr=1e-2", "optim.warmup=0")


def _network(encoder: str = "resnet18") -> SegNetwork:
    torch.manual_seed(0)
    model = Model(encoder=encoder, weights="none", decoder_channels=(8, 8, 8, 8, 8))
    network = build_network(model, 1, 3)[0]
    with torch.no_grad():
        network(torch.rand(4, 3, 64, 64))  # so that norms have statistics of their own
    return network


def _start(network: nn.Module, parts: tuple[str, ...] = ("",)) -> WeightReport:
    rows = (WeightRow(name, "loaded" if name.startswith(parts) else "missing", tuple(t.shape), tuple(t.shape))
            for name, t in network.state_dict().items())  # fmt: skip
    return WeightReport("liver", rows=tuple(rows))


def _prepared(network: SegNetwork, parts: tuple[str, ...] = ("",), **knobs: object) -> Lora:
    component = Lora(LoraSettings.model_validate(knobs), Settings())
    component.prepare(network, _start(network, parts))
    return component


def _spread(network: nn.Module) -> None:
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_B." in name:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=random))


def _images(size: int = 2) -> Tensor:
    return torch.rand(size, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def _batch(step: int = 0) -> dict[str, Batch]:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(step))
    masks = (images[:, :1] > 0.5).float()
    return {"labelled": Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a", "b"))}


def _training(*words: str, knobs: dict | None = None, others: tuple[Component, ...] = ()) -> Training:
    settings, network, device = resolve([*WORDS, *words]), _network(), torch.device("cpu")
    lora = Lora(LoraSettings.model_validate(knobs or {}), settings)
    components = [Supervised(settings), lora, *others]
    precision = Precision("bf16" if "train.precision=bf16" in words else "fp32", device, 5.0)
    start = _start(network, ("encoder.", "decoder."))
    return Training(settings, PLAN, network, start, components, {}, {}, [], device, precision, 8)


def _copies(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _share(network: SegNetwork) -> float:
    parameters = list(network.encoder.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad) / sum(p.numel() for p in parameters)


@pytest.mark.parametrize("targets", ["encoder", "encoder_decoder"])
def test_the_first_prediction_is_the_sources(targets: str) -> None:
    network = _network().eval()
    before = network(_images()).masks
    _prepared(network, targets=targets)
    torch.testing.assert_close(network(_images()).masks, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2", "mit_b0", "tu-convnext_atto"])
def test_the_merged_model_is_a_plain_network_that_predicts_the_same(encoder: str) -> None:
    network = _network(encoder)
    component = _prepared(network, targets="encoder_decoder")
    plain = _network(encoder)
    source = plain.eval()(_images()).masks.detach()
    _spread(network)
    before = _copies(network)
    plain.load_state_dict(component.exported(network, network.state_dict()))
    adapted = network.eval()(_images())
    predicted = plain.eval()(_images())
    for ours, theirs in ((predicted.masks, adapted.masks), (predicted.edges, adapted.edges)):
        assert float((ours - theirs).detach().abs().max()) < 1e-5 * max(1.0, float(theirs.detach().abs().max()))
    assert float((adapted.masks.detach() - source).abs().max()) > 0.05
    assert _equal(network.state_dict(), before)


def test_few_of_the_encoders_numbers_learn() -> None:
    network = _network("resnet50")
    _prepared(network)
    assert 0.01 < _share(network) < 0.2
    assert all(p.requires_grad for part in (network.decoder, network.mask_head) for p in part.parameters())


def test_only_factors_learn_in_the_encoder_and_every_plain_convolution_has_them() -> None:
    network = _network()
    convolutions = {name for name, m in network.named_modules() if isinstance(m, nn.Conv2d) and name.startswith("enc")}
    _prepared(network)
    learning = {name for name, p in network.encoder.named_parameters(prefix="encoder") if p.requires_grad}
    assert learning == {f"{name}.lora_{letter}.default.weight" for name in convolutions for letter in "AB"}


def test_depthwise_convolutions_stay_as_in_the_source() -> None:
    network = _network("mobilenet_v2")
    depthwise = [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    _prepared(network)
    assert len(depthwise) == 17
    for name in depthwise:
        layer = network.get_submodule(name)
        assert type(layer) is nn.Conv2d
        assert not layer.weight.requires_grad


def test_what_the_source_lacked_learns_fully() -> None:
    network = _network()
    _prepared(network, ("encoder.",), targets="encoder_decoder")
    assert all(p.requires_grad and not is_factor(name) for name, p in network.decoder.named_parameters())
    whole = _network()
    _prepared(whole, ("encoder.", "decoder."), targets="encoder_decoder")
    assert not any(p.requires_grad and not is_factor(name) for name, p in whole.decoder.named_parameters())
    assert all(p.requires_grad for p in whole.mask_head.parameters())


def test_what_was_frozen_before_gets_no_adapter() -> None:
    network = _network()
    network.encoder.layer1.requires_grad_(False)
    network.edge_head.requires_grad_(False)
    _prepared(network)
    assert not any(is_factor(name) for name, _ in network.encoder.layer1.named_parameters())
    assert any(is_factor(name) for name, _ in network.encoder.layer2.named_parameters())
    assert not any(p.requires_grad for p in network.edge_head.parameters())


def test_training_moves_factors_and_heads_and_nothing_of_the_source() -> None:
    training = _training()
    before = _copies(training.network)
    for step in range(2):
        take_step(training, _batch(step), step)
    after = training.network.state_dict()
    for name, tensor in before.items():
        held = name.startswith(("encoder.", "input_")) and not is_factor(name)
        assert torch.equal(tensor, after[name]) == held, name


@pytest.mark.parametrize("norms", ["frozen", "learned"])
def test_norms_stay_or_learn_as_the_knob_says(norms: str) -> None:
    training = _training(knobs={"norms": norms})
    before = _copies(training.network.encoder)
    take_step(training, _batch(), 0)
    layers = {name for name, module in training.network.encoder.named_modules() if isinstance(module, _BatchNorm)}
    after = training.network.encoder.state_dict()
    moved = {
        name for name in before if name.rpartition(".")[0] in layers and not torch.equal(before[name], after[name])
    }
    wanted = {f"{layer}.{own}" for layer in layers for own in
              ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}  # fmt: skip
    assert moved == (wanted if norms == "learned" else set())
    assert any(module.training for module in training.network.decoder.modules() if isinstance(module, _BatchNorm))


def test_layer_norms_are_held_or_learn_as_well() -> None:
    held, learned = _network("mit_b0"), _network("mit_b0")
    _prepared(held)
    _prepared(learned, norms="learned")
    for network, wanted in ((held, False), (learned, True)):
        norms = [module for module in network.encoder.modules() if isinstance(module, nn.LayerNorm)]
        assert norms
        assert all(p.requires_grad is wanted for norm in norms for p in norm.parameters())


def test_adapters_have_a_rate_of_their_own_and_each_parameter_one_group() -> None:
    training = _training(knobs={"lr_factor": 3.0, "norms": "learned"})
    factors = {name for name, _ in training.network.named_parameters() if is_factor(name)}
    parameters = {id(p): name for name, p in training.network.named_parameters()}
    by_factor: dict[float, list[str]] = {}
    for group in training.optimizer.param_groups:
        by_factor.setdefault(group["lr_factor"], []).extend(parameters[id(p)] for p in group["params"])
    assert set(by_factor) == {1.0, 3.0}
    assert set(by_factor[3.0]) == factors
    assert not factors & set(by_factor[1.0])
    learning = [name for name, p in training.network.named_parameters() if p.requires_grad]
    assert sorted([*by_factor[1.0], *by_factor[3.0]]) == sorted(learning)


def test_the_draw_follows_from_the_seed_and_disturbs_no_other() -> None:
    networks = []
    for seed, before in ((3, 0), (3, 7), (4, 0)):
        network = _network()
        torch.manual_seed(before)
        Lora(LoraSettings(), resolve([f"train.seed={seed}"])).prepare(network, _start(network))
        drawn = torch.rand(1)
        torch.manual_seed(before)
        assert torch.equal(drawn, torch.rand(1))
        networks.append(network.state_dict())
    assert _equal(networks[0], networks[1])
    assert not _equal(networks[0], networks[2])


@pytest.mark.parametrize("words", [(), ("train.precision=bf16",), ("train.ema=false",)])
def test_a_resumed_training_ends_with_the_same_bits(tmp_path: Path, words: tuple[str, ...]) -> None:
    knobs = {"dropout": 0.3, "norms": "learned", "targets": "encoder_decoder"}
    whole, halves = _training(*words, knobs=knobs), _training(*words, knobs=knobs)
    for step in range(4):
        take_step(whole, _batch(step), step)
    for step in range(2):
        take_step(halves, _batch(step), step)
    run = Run(tmp_path)
    save_checkpoint(run.checkpoints, moment(halves, Progress(8, step=2)))
    resumed = _training(*words, knobs=knobs)
    assert restore(resumed, run, Progress(8)).step == 2
    for step in range(2, 4):
        take_step(resumed, _batch(step), step)
    assert _equal(whole.network.state_dict(), resumed.network.state_dict())
    assert _equal(whole.exported(), resumed.exported())


def test_the_checkpoint_has_moments_of_what_learns_alone() -> None:
    training = _training()
    take_step(training, _batch(), 0)
    state = training.optimizer.state_dict()["state"]
    sizes = [state[number]["exp_avg"].shape for number in sorted(state)]
    grouped = [p.shape for group in training.optimizer.param_groups for p in group["params"]]
    assert sizes == grouped
    assert len(grouped) == sum(p.requires_grad for p in training.network.parameters())


def test_the_model_that_is_kept_is_the_averaged_one_merged(tmp_path: Path) -> None:
    training = _training("train.ema_half_life=0.9")
    for step in range(3):
        take_step(training, _batch(step), step)
    assert training.ema is not None
    learning, averaged = _copies(training.network), _copies(training.ema.module)
    assert not _equal(learning, averaged)
    run = Run(tmp_path)
    write_last(training, run)
    assert _equal(training.network.state_dict(), learning)
    assert _equal(training.ema.module.state_dict(), averaged)
    plain = _network()
    plain.load_state_dict(load_file(run.model))
    predicted, wanted = plain.eval()(_images()).masks, training.ema.module(_images()).masks
    torch.testing.assert_close(predicted, wanted, rtol=1e-5, atol=1e-5)
    current = training.network.eval()(_images()).masks
    assert float((predicted - current).detach().abs().max()) > 1e-3


def test_copies_of_the_network_do_not_share_adapters() -> None:
    network = _network()
    _prepared(network)
    copied = deepcopy(network)
    before = _copies(network)
    _spread(copied)
    assert _equal(network.state_dict(), before)
    assert not _equal(copied.state_dict(), before)


def test_dropout_only_acts_in_training() -> None:
    network = _network()
    component = _prepared(network, dropout=0.5)
    _spread(network)
    network.train()
    component.set_mode(network, 0.0)
    network.decoder.eval()
    one, other = (network(_images()).masks for _ in range(2))
    assert not torch.allclose(one, other)
    network.eval()
    one, other = (network(_images()).masks for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("first", ["lora", "l2sp"])
def test_it_goes_with_pulls_towards_the_start_in_either_order(first: str) -> None:
    training = _training(others=(L2sp(L2spSettings(weight=1.0)),))
    if first == "l2sp":
        settings = training.settings
        components = [Supervised(settings), L2sp(L2spSettings(weight=1.0)), Lora(LoraSettings(), settings)]
        network, device = _network(), torch.device("cpu")
        training = Training(settings, PLAN, network, _start(network, ("encoder.", "decoder.")), components, {}, {}, [],
                            device, Precision("fp32", device, 5.0), 8)  # fmt: skip
    terms = take_step(training, _batch(), 0)
    assert {"loss/l2sp", "loss/l2sp_new"} < set(terms)
    # Of what is held only the decoder learns, and before the first step it is where it started.
    assert float(terms["loss/l2sp"]) == 0.0
    assert float(take_step(training, _batch(1), 1)["loss/l2sp"]) > 0.0


def test_a_network_from_nothing_has_nothing_to_adapt() -> None:
    with pytest.raises(UsageError, match="none") as refused:
        Lora(LoraSettings(), Settings()).prepare(_network(), WeightReport("none"))
    assert refused.value.code == "nothing-transferred"


@pytest.mark.parametrize("first", [True, False])
def test_layers_that_another_strategy_froze_are_said_with_what_helps(first: bool) -> None:
    def build(stages: int | str, **knobs: object) -> None:
        network, settings = _network(), resolve(["strategy=freeze,lora"])
        freeze = Freeze(FreezeSettings.model_validate({"stages": stages}))
        pair = (freeze, Lora(LoraSettings.model_validate(knobs), settings))
        components = [Supervised(settings), *(pair if first else reversed(pair))]
        device = torch.device("cpu")
        Training(settings, PLAN, network, _start(network, ("encoder.", "decoder.")), components, {}, {}, [],
                 device, Precision("fp32", device, 5.0), 8)  # fmt: skip

    with pytest.raises(UsageError) as refused:
        build("all")
    assert refused.value.code == "nothing-to-adapt"
    assert "freeze.stages=2" in refused.value.fix
    build(2)
    build("all", targets="encoder_decoder")


def test_an_encoder_of_foreign_convolutions_is_refused_with_advice() -> None:
    network = _network("efficientnet-b0")
    with pytest.raises(UsageError, match="timm-efficientnet-b0"):
        _prepared(network)


def test_without_peft_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(resolve([]), PLAN, {}, None, (), Path("cache"))
    assert isinstance(COMPONENT.make(task, LoraSettings()), Lora)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UsageError, match=r'pip install "seg\[lora\]"') as refused:
        COMPONENT.make(task, LoraSettings())
    assert refused.value.code == "missing-package"
