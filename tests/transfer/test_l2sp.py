from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Model, Settings
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.train.precision import Precision
from seg.train.training import Training
from seg.transfer.component import Forward, ParameterGroup, Task
from seg.transfer.l2sp import COMPONENT, L2sp, L2spSettings
from seg.transfer.supervised import Supervised

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(8, 8, 8, 8, 8))
PLAN = Plan(("liver",), (1,), 1.0, "mm", 64, 1, (Intensity("window", -160, 240),))
ENCODER = ("encoder.",)


def _network() -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL, 1, 3)[0]


def _start(network: SegNetwork, parts: tuple[str, ...] = ENCODER, adapted: str = "") -> WeightReport:
    rows = []
    for name, tensor in network.state_dict().items():
        status = "adapted" if name == adapted else "loaded" if name.startswith(parts) else "missing"
        rows.append(WeightRow(name, status, tuple(tensor.shape), tuple(tensor.shape)))
    return WeightReport("liver", rows=(*rows, WeightRow("their.head", "unused", (1,), None)))


def _moved(network: SegNetwork, by: float = 0.1) -> None:
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random), alpha=by)


def _forward(network: SegNetwork) -> Forward:
    nothing = torch.zeros(1, 1, 64, 64)
    return Forward(network, {"labelled": Batch(torch.zeros(1, 3, 64, 64), nothing, nothing.bool(), ("a",))})


def _prepared(network: SegNetwork, start: WeightReport | None = None, **knobs: float) -> L2sp:
    component = L2sp(L2spSettings(**knobs))
    component.prepare(network, start or _start(network))
    return component


def _as_numpy(network: SegNetwork) -> dict[str, np.ndarray]:
    return {name: p.detach().double().numpy().copy() for name, p in network.named_parameters()}


def _training(settings: Settings, network: SegNetwork, components: list) -> Training:
    device = torch.device("cpu")
    return Training(
        settings, PLAN, network, _start(network), components, {}, {}, [], device, Precision("fp32", device, None), 4
    )


def test_both_terms_are_the_formula_over_the_right_tensors() -> None:
    network = _network()
    start = _start(network, adapted="encoder.conv1.weight")
    before = _as_numpy(network)
    component = _prepared(network, start, weight=0.3, new_weight=0.7)
    _moved(network)
    after = _as_numpy(network)
    held = sum(((after[name] - before[name]) ** 2).sum() for name in after if name.startswith("encoder."))
    new = sum((w**2).sum() for name, w in after.items() if not name.startswith("encoder.") and w.ndim > 1)
    terms = component.losses(_forward(network), 0)
    assert set(terms) == {"l2sp", "l2sp_new"}
    assert float(terms["l2sp"].detach()) == pytest.approx(0.3 / 2 * held, rel=1e-5)
    assert float(terms["l2sp_new"].detach()) == pytest.approx(0.7 / 2 * new, rel=1e-5)
    assert held > 1
    assert new > 1


def test_the_gradient_is_zero_at_the_start_and_grows_with_the_distance() -> None:
    network = _network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    component = _prepared(network, weight=0.25)
    term = component.losses(_forward(network), 0)["l2sp"]
    assert float(term.detach()) == 0.0
    term.backward()
    encoder = dict(network.encoder.named_parameters(prefix="encoder"))
    assert all(p.grad is not None and not p.grad.any() for p in encoder.values())

    _moved(network)
    network.zero_grad()
    component.losses(_forward(network), 0)["l2sp"].backward()
    for name, parameter in encoder.items():
        torch.testing.assert_close(parameter.grad, 0.25 * (parameter.detach() - before[name]))


def test_new_weights_are_pulled_to_zero_and_new_biases_and_norms_are_not() -> None:
    network = _network()
    component = _prepared(network, new_weight=0.5)
    component.losses(_forward(network), 0)["l2sp_new"].backward()
    new = {name: p for name, p in network.named_parameters() if not name.startswith("encoder.")}
    assert any(p.ndim == 1 for p in new.values())
    for parameter in new.values():
        if parameter.ndim > 1:
            torch.testing.assert_close(parameter.grad, 0.5 * parameter.detach())
        else:
            assert parameter.grad is None
    assert all(p.grad is None for p in network.encoder.parameters())


def test_the_start_is_a_copy_that_a_resume_finds_again() -> None:
    network, resumed = _network(), _network()
    component, again = _prepared(network), _prepared(resumed)
    _moved(network)
    resumed.load_state_dict(network.state_dict())
    terms, restored = component.losses(_forward(network), 0), again.losses(_forward(resumed), 0)
    assert float(terms["l2sp"].detach()) > 0
    assert {name: float(term.detach()) for name, term in terms.items()} == {
        name: float(t.detach()) for name, t in restored.items()
    }
    assert component.state_dict() == {}


def test_what_does_not_learn_is_left_out() -> None:
    network = _network()
    before = _as_numpy(network)
    component = _prepared(network, weight=2.0)
    _moved(network)
    network.encoder.layer4.requires_grad_(False)
    after = _as_numpy(network)
    held = sum(((after[n] - before[n]) ** 2).sum() for n, p in network.named_parameters()
               if n.startswith("encoder.") and p.requires_grad)  # fmt: skip
    assert float(component.losses(_forward(network), 0)["l2sp"].detach()) == pytest.approx(held, rel=1e-5)
    network.requires_grad_(False)
    assert component.losses(_forward(network), 0) == {}


def test_a_network_that_came_over_whole_has_no_new_weights() -> None:
    network = _network()
    component = _prepared(network, _start(network, ("",)))
    assert set(component.losses(_forward(network), 0)) == {"l2sp"}


def test_half_precision_around_it_changes_nothing() -> None:
    network = _network()
    component = _prepared(network)
    _moved(network, 1e-3)
    outside = component.losses(_forward(network), 0)
    with torch.autocast("cpu", torch.bfloat16):
        inside = component.losses(_forward(network), 0)
    assert all(torch.equal(inside[name], outside[name]) for name in outside)


@pytest.mark.parametrize("listed_last", ["l2sp", "supervised"])
def test_nothing_decays_beside_the_pulls_whoever_decides_the_learning_rates(listed_last: str) -> None:
    settings = resolve(["optim.encoder_lr_factor=0.2", "optim.weight_decay=0.3"])
    network = _network()
    components = [Supervised(settings), L2sp(L2spSettings())]
    if listed_last == "supervised":
        components.reverse()
    training = _training(settings, network, components)
    assert {group["weight_decay"] for group in training.optimizer.param_groups} == {0.0}
    assert {group["lr_factor"] for group in training.optimizer.param_groups} == {0.2, 1.0}
    assert sum(len(group["params"]) for group in training.optimizer.param_groups) == len(list(network.parameters()))
    decayed = _training(settings, _network(), [Supervised(settings)])
    assert {group["weight_decay"] for group in decayed.optimizer.param_groups} == {0.0, 0.3}


def test_only_decay_is_changed_in_the_groups() -> None:
    groups = [ParameterGroup("a", [torch.nn.Parameter(torch.ones(2))], 0.5), ParameterGroup("b", [], 2.0, False)]
    assert L2sp(L2spSettings()).regroup(groups) == [replace(groups[0], weight_decay=False), groups[1]]


def test_weights_that_the_data_say_nothing_about_stay_at_their_start() -> None:
    settings = resolve(["optim.weight_decay=0.3", "optim.lr=0.1", "train.ema=false"])
    network = _network()
    component = L2sp(L2spSettings(new_weight=0))
    training = _training(settings, network, [Supervised(settings), component])
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for _ in range(2):
        torch.stack(list(component.losses(_forward(network), 0).values())).sum().backward()
        training.optimizer.step()
    assert all(torch.equal(before[name], p) for name, p in network.named_parameters())


def test_nothing_to_be_pulled_back_to_is_refused() -> None:
    network = _network()
    with pytest.raises(UsageError, match="none") as refused:
        _prepared(network, WeightReport("none"))
    assert refused.value.code == "nothing-transferred"


def test_the_knobs_reach_the_component_and_have_the_published_values() -> None:
    assert (L2spSettings().weight, L2spSettings().new_weight) == (0.01, 0.01)
    task = Task(resolve([]), PLAN, {}, None, (), Path("cache"))
    network = _network()
    component = COMPONENT.make(task, COMPONENT.settings.model_validate({"weight": 4.0}))
    component.prepare(network, _start(network))
    with torch.no_grad():
        network.encoder.conv1.weight[0, 0, 0, 0] += 1.0
    assert float(component.losses(_forward(network), 0)["l2sp"].detach()) == pytest.approx(2.0, rel=1e-5)
