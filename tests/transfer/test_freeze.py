import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from seg.config import Model
from seg.errors import UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.stages import encoder_stages
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.transfer.component import Forward
from seg.transfer.finetune import Finetune, FinetuneSettings
from seg.transfer.freeze import COMPONENT, Freeze, FreezeSettings
from seg.transfer.supervised import Supervised

NOTHING = WeightReport("none")


def _supervised() -> Supervised:
    return Supervised(resolve([]))


def _state(network: SegNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _moved(network: SegNetwork, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def _learned(network: SegNetwork) -> set[str]:
    """Everything that training moves: parameters, and the running statistics of norms."""
    norms = [name for name, module in network.named_modules() if isinstance(module, _BatchNorm)]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return {name for name, _ in network.named_parameters()} | {
        f"{norm}.{what}" for norm in norms for what in statistics
    }


@pytest.mark.parametrize(
    ("stages", "frozen"),
    [
        ("all", ("encoder.",)),
        (1, ("encoder.conv1.", "encoder.bn1.")),
        (3, ("encoder.conv1.", "encoder.bn1.", "encoder.layer1.", "encoder.layer2.")),
        (5, ("encoder.",)),
    ],
)
def test_frozen_stages_and_their_statistics_stand_still_and_all_the_rest_moves(in_loop, step, stages, frozen) -> None:
    training = in_loop([_supervised(), Freeze(FreezeSettings(stages=stages))], NOTHING)
    before = _state(training.network)
    for number in range(3):
        step(training, number)
    expected = {name for name in _learned(training.network) if not name.startswith(frozen)}
    assert _moved(training.network, before) == expected
    averaged = training.predictor.state_dict()
    assert all(torch.equal(averaged[name], before[name]) for name in before if name.startswith(frozen))


def test_without_freezing_everything_moves(in_loop, step) -> None:
    training = in_loop([_supervised()], NOTHING)
    before = _state(training.network)
    step(training, 0)
    assert _moved(training.network, before) == _learned(training.network)


def test_with_a_frozen_decoder_only_the_heads_learn(in_loop, step, loaded) -> None:
    settings = FreezeSettings(decoder=True)
    training = in_loop([_supervised(), Freeze(settings)], loaded("mask_head.", "edge_head."))
    before = _state(training.network)
    for number in range(2):
        step(training, number)
    moved = _moved(training.network, before)
    assert moved == {name for name in _learned(training.network) if name.startswith(("mask_head.", "edge_head."))}


@pytest.mark.parametrize("start", ["none", "encoder only"])
def test_a_decoder_that_came_from_nowhere_is_not_frozen(loaded, start) -> None:
    network, _ = build_network(Model(encoder="resnet18", weights="none"), 1, 3)
    report = NOTHING if start == "none" else loaded("decoder.", "mask_head.", "edge_head.")
    with pytest.raises(UsageError, match=r"transfer\.parts=encoder_decoder") as refusal:
        Freeze(FreezeSettings(decoder=True)).prepare(network, report)
    assert refusal.value.code == "frozen-new-decoder"


def test_nothing_is_dropped_in_frozen_parts(loaded) -> None:
    model = Model(encoder="mit_b0", weights="none", decoder_channels=(16, 16, 8, 8, 8))
    torch.manual_seed(0)
    network, _ = build_network(model, 1, 3)
    images = torch.rand(2, 3, 64, 64)

    def differs() -> list[bool]:
        with torch.no_grad():
            return [
                not torch.equal(one, other)
                for one, other in zip(network.encode(images), network.encode(images), strict=True)
            ]

    network.train()
    assert differs()[-1], "this encoder drops paths where nothing is frozen"
    freeze = Freeze(FreezeSettings(stages=3))
    freeze.prepare(network, loaded(model=model))
    freeze.set_mode(network.train(), 0.0)
    assert differs() == [False, False, False, False, True, True]
    assert not any(module.training for stage in encoder_stages(network)[:3] for module in stage.modules)
    assert all(module.training for stage in encoder_stages(network)[3:] for module in stage.modules)
    assert network.decoder.training


def test_freezing_holds_whichever_of_the_components_is_listed_first(in_loop, loaded) -> None:
    found = []
    for first in (True, False):
        freeze, finetune = Freeze(FreezeSettings(stages=2)), Finetune(FinetuneSettings())
        components = [_supervised(), *((freeze, finetune) if first else (finetune, freeze))]
        training = in_loop(components, loaded())
        named = {id(parameter): name for name, parameter in training.network.named_parameters()}
        groups = training.optimizer.param_groups
        found.append([(group["lr_factor"], [named[id(p)] for p in group["params"]]) for group in groups])
        assert all(p.requires_grad for group in groups for p in group["params"])
    assert found[0] == found[1]
    learning = {name for _, names in found[0] for name in names}
    frozen = ("encoder.conv1.", "encoder.bn1.", "encoder.layer1.")
    assert learning == {name for name, _ in training.network.named_parameters() if not name.startswith(frozen)}


def test_what_the_file_lacked_learns_inside_frozen_stages(in_loop, step, loaded) -> None:
    new = ("encoder.layer1.0.conv1.", "encoder.layer1.0.bn1.")
    training = in_loop([_supervised(), Freeze(FreezeSettings())], loaded(*new))
    before = _state(training.network)
    step(training, 0)
    inside = {name for name in _moved(training.network, before) if name.startswith("encoder.")}
    assert inside == {name for name in _learned(training.network) if name.startswith(new)}


def test_frozen_parts_get_no_gradient_and_keep_no_maps(loaded) -> None:
    network, _ = build_network(Model(encoder="resnet18", weights="none", decoder_channels=(8, 8, 8, 8, 8)), 1, 3)
    Freeze(FreezeSettings()).prepare(network, NOTHING)
    forward = Forward(network, {})
    assert not any(features.requires_grad for features in forward.network.encode(torch.rand(1, 3, 64, 64)))


def test_more_stages_than_there_are_are_refused_by_name() -> None:
    network, _ = build_network(Model(encoder="resnet18", weights="none"), 1, 3)
    with pytest.raises(UsageError, match="at most 5: this encoder has stem, stage1, stage2, stage3, stage4") as refusal:
        Freeze(FreezeSettings(stages=6)).prepare(network, NOTHING)
    assert refusal.value.code == "too-many-stages"
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("wrong", [0, -1, "some", 1.5])
def test_stages_are_a_number_from_one_on_or_all(wrong) -> None:
    with pytest.raises(ValidationError):
        FreezeSettings(stages=wrong)


def test_a_person_writes_the_knobs_as_words() -> None:
    settings = resolve(["strategy=freeze", "freeze.stages=2", "freeze.decoder=true"])
    assert list(settings.components) == ["supervised", "freeze"]
    knobs = COMPONENT.settings.model_validate(settings.components["freeze"])
    assert knobs == FreezeSettings(stages=2, decoder=True)
    assert isinstance(COMPONENT.make(None, knobs), Freeze)
