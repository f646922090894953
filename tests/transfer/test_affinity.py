import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.registry import COMPONENTS
from seg.transfer._ramp import ramp_up
from seg.transfer._relations import (
    case_similarities,
    common_grid,
    deepest,
    mean_squared_difference,
    region_affinities,
)
from seg.transfer.affinity import Affinity, AffinitySettings
from seg.transfer.component import Forward, Source, Task

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
PLAN = Plan(("pancreas",), (1,), 1.0, "mm", 64, 1, (Intensity("range", 0, 1),))
CASE = PreparedCase("a", "a", Path("nowhere"), True, True, ())
NOTHING = WeightReport("none")


def _network(seed: int = 0, model: Model = MODEL, channels: int = 3) -> SegNetwork:
    torch.manual_seed(seed)
    return build_network(model, 1, channels)[0].eval()


def _batch(size: int = 4, seed: int = 0, side: int = 128) -> Batch:
    blocks = torch.rand(size, 3, side // 32, side // 32, generator=torch.Generator().manual_seed(seed))
    images = nn.functional.interpolate(4 * blocks - 1.5, size=(side, side))
    nothing = torch.zeros(size, 1, side, side)
    return Batch(images, nothing, nothing.bool(), ("a",) * size)


def _task(source: SegNetwork | None, *words: str, streams: Sequence[str] = ("labelled",)) -> Task:
    found = None if source is None else Source(("liver",), lambda: copy.deepcopy(source))
    cases = {stream: [CASE] for stream in streams}
    return Task(resolve(words), PLAN, cases, found, ("liver",), Path("cache"))


def _component(source: SegNetwork | None, network: SegNetwork, *, task: Task | None = None, **knobs: Any) -> Affinity:
    component = Affinity(task or _task(source), AffinitySettings(**knobs))
    component.prepare(network, NOTHING)
    return component


def _whole_weights(network: SegNetwork) -> WeightReport:
    rows = (WeightRow(name, "loaded", tuple(t.shape), tuple(t.shape)) for name, t in network.state_dict().items())
    return WeightReport("file", rows=tuple(rows))


def test_identical_networks_have_identical_relations() -> None:
    network = _network()
    terms = _component(network, network, level="both").losses(Forward(network, {"labelled": _batch()}), 0)
    assert set(terms) == {"affinity_regions", "affinity_cases"}
    assert float(terms["affinity_regions"].detach()) == pytest.approx(0, abs=1e-10)
    assert float(terms["affinity_cases"].detach()) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("level", ["encoder", "decoder", "both"])
def test_terms_are_the_weighted_distances_at_the_wished_levels(level: str) -> None:
    source, network, batch = _network(1), _network(0), _batch()
    component = _component(source, network, level=level, regions=2.0, cases=3.0, cells=4)
    terms = component.losses(Forward(network, {"labelled": batch}), 0)
    with torch.no_grad():
        theirs, ours = source(batch.images), network(batch.images)
    deep = (theirs.features[-1], ours.features[-1])
    maps = {"encoder": [deep], "decoder": [(theirs.decoded, ours.decoded)]}
    maps["both"] = maps["encoder"] + maps["decoder"]
    distances = [
        mean_squared_difference(region_affinities(a, (4, 4)), region_affinities(b, (4, 4))) for a, b in maps[level]
    ]
    cases = mean_squared_difference(case_similarities(deep[0], (4, 4)), case_similarities(deep[1], (4, 4)))
    assert float(terms["affinity_regions"].detach()) == pytest.approx(
        2 * float(torch.stack(distances).mean()), rel=1e-4
    )
    assert float(terms["affinity_cases"].detach()) == pytest.approx(3 * float(cases), rel=1e-4)


def test_gradients_reach_the_learning_network_alone_and_descent_brings_the_relations_closer() -> None:
    loaded = []
    network, batch = _network(0), _batch(2)
    task = _task(None)
    task = Task(
        task.settings, PLAN, task.cases, Source((), lambda: loaded.append(_network(1)) or loaded[0]), (), Path()
    )
    component = _component(None, network, task=task)
    before = copy.deepcopy(loaded[0].state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    values = []
    for step in range(4):
        loss = torch.stack(list(component.losses(Forward(network, {"labelled": batch}), step).values())).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < values[0]
    assert all(p.grad is None and not p.requires_grad for p in loaded[0].parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded[0].state_dict().items())
    assert all(p.grad is None for p in network.decoder.parameters())
    assert any(bool(p.grad.any()) for p in network.encoder.parameters() if p.grad is not None)
    assert not loaded[0].training


def _statistics(network: SegNetwork) -> list[Tensor]:
    return [tensor.clone() for name, tensor in network.state_dict().items() if "running_" in name]


def test_identical_networks_agree_in_training_too_and_the_source_keeps_its_statistics() -> None:
    network = _network()
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.running_mean)
    source = copy.deepcopy(network)
    task = Task(resolve([]), PLAN, {"labelled": [CASE]}, Source((), lambda: source), (), Path())
    component = _component(None, network, task=task)
    before = _statistics(source)
    for mode in (True, False):
        network.train(mode)
        reference = copy.deepcopy(network)
        for term in component.losses(Forward(reference, {"labelled": _batch()}), 0).values():
            assert float(term.detach()) == pytest.approx(0, abs=1e-10)
    assert all(torch.equal(a, b) for a, b in zip(before, _statistics(source), strict=True))


def test_norms_that_stand_still_in_the_learning_network_do_in_the_source_too() -> None:
    network = _network()
    source = copy.deepcopy(network)
    component = _component(source, network)
    network.train()
    network.encoder.eval()
    with torch.no_grad():
        terms = component.losses(Forward(network, {"labelled": _batch()}), 0)
    assert float(terms["affinity_regions"]) == pytest.approx(0, abs=1e-10)


def test_a_source_with_other_norms_keeps_its_own_statistics() -> None:
    source, network = _network(0, Model(encoder="resnet34", weights="none", decoder_channels=(32, 16, 16))), _network()
    component = _component(source, network, regions=1.0, cases=0)
    network.train()
    batch = _batch()
    found = component.losses(Forward(network, {"labelled": batch}), 0)["affinity_regions"]
    with torch.no_grad():
        theirs, ours = source.encode(batch.images)[-1], network.encode(batch.images)[-1]
    grid = common_grid(theirs, ours, 8)
    expected = mean_squared_difference(region_affinities(theirs, grid), region_affinities(ours, grid))
    assert float(found.detach()) == pytest.approx(float(expected), rel=1e-4)


def test_autocast_gives_the_value_of_float32_nearly_and_in_float32() -> None:
    source, network, batch = _network(1), _network(0), _batch()
    component = _component(source, network, level="both")
    exact = component.losses(Forward(network, {"labelled": batch}), 0)
    with torch.autocast("cpu", torch.bfloat16):
        rough = component.losses(Forward(network, {"labelled": batch}), 0)
    for name, term in rough.items():
        assert term.dtype == torch.float32
        assert float(term.detach()) == pytest.approx(float(exact[name].detach()), rel=0.05)


def test_a_source_of_another_architecture_can_be_compared() -> None:
    source = _network(0, Model(encoder="resnet34", weights="none", decoder_channels=(32, 16, 16)))
    network = _network(0)
    assert (
        deepest(source, source.encode(_batch().images)).shape != deepest(network, network.encode(_batch().images)).shape
    )
    terms = _component(source, network, level="both").losses(Forward(network, {"labelled": _batch()}), 0)
    assert all(float(term.detach()) > 0 for term in terms.values())


def test_weights_of_zero_leave_their_terms_out_and_the_ramp_raises_both() -> None:
    source, network = _network(1), _network(0)
    forward = Forward(network, {"labelled": _batch()}, progress=0.1)
    assert set(_component(source, network, regions=0).losses(forward, 0)) == {"affinity_cases"}
    assert set(_component(source, network, cases=0).losses(forward, 0)) == {"affinity_regions"}
    whole = _component(source, network).losses(forward, 0)
    risen = _component(source, network, ramp=0.5).losses(forward, 0)
    for name, term in whole.items():
        assert float(risen[name].detach()) == pytest.approx(ramp_up(0.1, 0.5) * float(term.detach()), rel=1e-5)


def test_streams_are_those_that_are_wished_and_there() -> None:
    everything = ("labelled", "unlabelled", "source")
    task = _task(_network(), streams=everything)
    assert Affinity(task, AffinitySettings()).streams() == ("labelled", "unlabelled")
    assert Affinity(task, AffinitySettings(unlabelled=False)).streams() == ("labelled",)
    assert Affinity(task, AffinitySettings(source=True)).streams() == everything
    assert Affinity(_task(_network()), AffinitySettings(source=True)).streams() == ("labelled",)
    with pytest.raises(UsageError, match="no slices") as caught:
        Affinity(_task(_network(), streams=("source",)), AffinitySettings())
    assert caught.value.code == "missing-need"


def test_streams_count_alike() -> None:
    source, network = _network(1), _network(0)
    batches = {"labelled": _batch(2), "unlabelled": _batch(3, seed=5)}
    both = _component(source, network, task=_task(source, streams=tuple(batches)))
    found = both.losses(Forward(network, batches), 0)["affinity_regions"]
    apart = []
    for stream in batches:
        component = _component(source, network, task=_task(source, streams=(stream,)))
        apart.append(component.losses(Forward(network, batches), 0)["affinity_regions"])
    assert float(found.detach()) == pytest.approx(float(torch.stack(apart).mean().detach()), rel=1e-5)


def test_without_a_segmenting_source_the_start_is_the_source_and_stays_as_it_was() -> None:
    network = _network()
    component = _component(None, network)
    forward = Forward(network, {"labelled": _batch()})
    assert float(component.losses(forward, 0)["affinity_regions"].detach()) == pytest.approx(0, abs=1e-10)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    moved = component.losses(Forward(network, {"labelled": _batch()}), 1)
    assert float(moved["affinity_regions"].detach()) > 1e-6


def _decodings(network: SegNetwork, monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    seen: list[nn.Module] = []
    plain: Callable[[SegNetwork, list[Tensor]], Tensor] = SegNetwork.decode

    def decode(self: SegNetwork, features: list[Tensor]) -> Tensor:
        if self is not network:
            seen.append(self)
        return plain(self, features)

    monkeypatch.setattr(SegNetwork, "decode", decode)
    return seen


def test_what_a_new_decoder_reads_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    seen = _decodings(network, monkeypatch)
    whole, encoder = _whole_weights(network), _whole_weights(network)
    encoder = WeightReport("file", rows=tuple(row for row in encoder.rows if row.name.startswith("encoder.")))
    for start, count in ((encoder, 0), (whole, 1)):
        component = Affinity(_task(None), AffinitySettings(level="both"))
        component.prepare(network, start)
        component.losses(Forward(network, {"labelled": _batch(2, side=64)}), 0)
        assert len(seen) == count
    with pytest.raises(UsageError, match="has no decoder") as caught:
        Affinity(_task(None), AffinitySettings(level="decoder")).prepare(network, encoder)
    assert caught.value.code == "missing-need"


def test_the_decoder_of_the_source_is_not_run_where_nothing_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    seen = _decodings(network, monkeypatch)
    _component(_network(1), network).losses(Forward(network, {"labelled": _batch(2, side=64)}), 0)
    assert seen == []


def test_a_source_that_reads_other_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="1 input channels, target scans of 3") as caught:
        _component(_network(channels=1), _network())
    assert caught.value.code == "source-channels"


def test_features_that_were_made_before_are_refused() -> None:
    task = _task(_network())
    settings = task.settings.model_copy(update={"components": {"feature_extract": {}, "affinity": {}}})
    with pytest.raises(UsageError, match="beside feature_extract"):
        Affinity(Task(settings, PLAN, task.cases, task.source, (), Path()), AffinitySettings())


def test_nothing_needs_keeping_because_preparing_again_gives_the_same_terms() -> None:
    source, network = _network(1), _network(0)
    forward = Forward(network, {"labelled": _batch()})
    first, second = _component(source, network), _component(source, network)
    assert first.state_dict() == {}
    assert {k: float(v.detach()) for k, v in first.losses(forward, 3).items()} == {
        k: float(v.detach()) for k, v in second.losses(forward, 3).items()
    }


def test_the_strategy_lists_the_component_with_knobs_that_words_can_change() -> None:
    settings = resolve(["strategy=affinity", "affinity.regions=3", "affinity.unlabelled=false"])
    assert list(settings.components) == ["supervised", "finetune", "affinity"]
    info = COMPONENTS.load("affinity").COMPONENT
    made = info.settings.model_validate(settings.components["affinity"])
    assert (made.regions, made.unlabelled) == (3.0, False)
    assert isinstance(info.make(_task(_network()), made), Affinity)
