from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.losses import load_loss
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork, build_network
from seg.models.stages import encoder_stages
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.registry import COMPONENTS
from seg.transfer.component import Forward, Task
from seg.transfer.edge import Edge, EdgeSettings
from seg.transfer.supervised import Supervised

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
PLAN = Plan(("pancreas",), (1,), 1.0, "mm", 64, 1, (Intensity("range", 0, 1),))
CASE = PreparedCase("a", "a", Path("nowhere"), True, True, ())


def _network(model: Model = MODEL) -> SegNetwork:
    torch.manual_seed(0)
    return build_network(model, 1, 3)[0].eval()


def _start(network: SegNetwork, *without: str) -> WeightReport:
    rows = (
        WeightRow(name, "loaded", tuple(t.shape), tuple(t.shape))
        for name, t in network.state_dict().items()
        if not name.startswith(without)
    )
    return WeightReport("file", rows=tuple(rows))


def _task(*words: str, streams: Sequence[str] = ("labelled", "unlabelled")) -> Task:
    return Task(resolve(words), PLAN, {s: [CASE] for s in streams}, None, ("liver",), Path("cache"))


def _batch(size: int = 2, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(size, 3, 64, 64, generator=generator)
    blocks = (torch.rand(size, 1, 4, 4, generator=generator) > 0.5).float()
    masks = torch.nn.functional.interpolate(blocks, size=(64, 64))
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a",) * size)


def _batches() -> dict[str, Batch]:
    return {"labelled": _batch(), "unlabelled": _batch(seed=3)}


def _component(network: SegNetwork, start: WeightReport | None = None, **knobs: Any) -> Edge:
    component = Edge(_task(), EdgeSettings(**knobs))
    component.prepare(network, _start(network) if start is None else start)
    return component


def _grow(values: np.ndarray, width: int, pick: Any) -> np.ndarray:
    found = np.empty_like(values)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            found[y, x] = pick(values[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1])
    return found


def test_the_boundary_term_comes_on_top_of_the_supervised_one() -> None:
    network, task = _network(), _task("loss.edge_weight=0.2", "model.edge_width_px=3")
    forward = Forward(network, {"labelled": _batch()})
    term = Edge(task, EdgeSettings(weight=0.6, unlabelled=False)).losses(forward, 0)["edge_boundary"]
    theirs = Supervised(task.settings).losses(forward, 0)["edge"]
    assert float(term.detach()) == pytest.approx(3 * float(theirs.detach()))
    batch, edges = forward.batches["labelled"], forward.output("labelled").edges
    assert edges is not None
    loss = load_loss("edge").compute(edges, boundary_band(batch.masks, 3), batch.valid)
    assert float(term.detach()) == pytest.approx(0.6 * float(loss.detach()))


def test_agreement_is_asked_for_on_both_streams_and_equals_the_formula() -> None:
    network, batches = _network(), _batches()
    forward = Forward(network, batches, progress=1.0)
    term = _component(network, consistency=0.5).losses(forward, 0)["edge_consistency"]
    expected = []
    for stream in batches:
        output = forward.output(stream)
        assert output.edges is not None
        mask = 1 / (1 + np.exp(-output.masks.detach().double().numpy()[:, 0]))
        edge = 1 / (1 + np.exp(-output.edges.detach().double().numpy()[:, 0]))
        band = np.stack([_grow(one, 2, np.max) - _grow(one, 2, np.min) for one in mask])
        expected.append(((band - edge) ** 2).sum() / ((band**2).sum() + (edge**2).sum() + 1))
    assert float(term.detach()) == pytest.approx(0.5 * np.mean(expected), rel=1e-4)


def test_agreement_needs_no_labels_and_teaches_both_heads() -> None:
    network, batches = _network(), _batches()
    component = _component(network, weight=0, proximity=0)
    blank = {
        name: Batch(b.images, torch.zeros_like(b.masks), torch.zeros_like(b.valid), b.where)
        for name, b in batches.items()
    }
    terms = component.losses(Forward(network, blank, 1.0), 0)
    assert set(terms) == {"edge_consistency"}
    labelled = component.losses(Forward(network, batches, 1.0), 0)
    assert torch.equal(terms["edge_consistency"], labelled["edge_consistency"])
    torch.autograd.backward(terms["edge_consistency"])
    assert network.edge_head is not None
    for head in (network.mask_head, network.edge_head):
        assert all(p.grad is not None and bool(p.grad.any()) for p in head.parameters() if p.ndim > 1)


def test_agreement_rises_over_its_share_of_the_steps() -> None:
    network, batches = _network(), _batches()
    component = _component(network, ramp=0.4)
    values = [
        float(component.losses(Forward(network, batches, progress), 0)["edge_consistency"].detach())
        for progress in (0.0, 0.2, 0.4, 1.0)
    ]
    assert values[0] == pytest.approx(values[3] * np.exp(-5), rel=1e-4)
    assert values[1] == pytest.approx(values[3] * np.exp(-5 / 4), rel=1e-4)
    assert values[2] == values[3] > 0


@pytest.mark.parametrize("stages", [0, 1, 2, 5])
def test_the_pull_is_the_relative_squared_distance_of_early_stages_and_edge_head(stages: int) -> None:
    network = _network()
    component = _component(network, proximity=4.0, stages=stages)
    start = {name: parameter.detach().double().clone() for name, parameter in network.named_parameters()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.rand_like(parameter))
    found = component.losses(Forward(network, _batches()), 0)["edge_proximity"]
    names = {parameter: name for name, parameter in network.named_parameters()}
    parts = [[names[p] for p in stage.parameters] for stage in encoder_stages(network)[: stages + 1]]
    parts.append([name for name in start if name.startswith("edge_head.")])
    now, expected = dict(network.named_parameters()), 0.0
    for part in parts:
        moved = sum(float(((now[name].detach().double() - start[name]) ** 2).sum()) for name in part)
        expected += moved / sum(float((start[name] ** 2).sum()) for name in part)
    assert float(found.detach()) == pytest.approx(4 * expected, rel=1e-4)


def test_the_pull_is_nothing_at_the_start_and_leaves_deep_parts_alone() -> None:
    network = _network()
    component = _component(network, weight=0, consistency=0, stages=1)
    assert float(component.losses(Forward(network, _batches()), 0)["edge_proximity"].detach()) == 0
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.1).add_(0.01)
    torch.autograd.backward(component.losses(Forward(network, _batches()), 0)["edge_proximity"])
    pulled = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    fronts = ("encoder.conv1", "encoder.bn1", "encoder.layer1", "edge_head.")
    assert pulled == {name for name, _ in network.named_parameters() if name.startswith(fronts)}


def test_only_what_was_transferred_is_held() -> None:
    network = _network()
    component = _component(network, _start(network, "edge_head.", "encoder.layer1"), stages=1, weight=0, consistency=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.1).add_(0.01)
    torch.autograd.backward(component.losses(Forward(network, _batches()), 0)["edge_proximity"])
    pulled = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert pulled == {"encoder.conv1.weight", "encoder.bn1.weight", "encoder.bn1.bias"}


def test_an_edge_head_that_was_adapted_to_other_organs_is_held_but_for_its_last_layer() -> None:
    network = _network()
    rows = [
        WeightRow(row.name, "adapted" if ".out." in row.name else "loaded", row.found, row.expected)
        for row in _start(network).rows
        if row.name.startswith("edge_head.")
    ]
    component = _component(network, WeightReport("file", rows=tuple(rows)), weight=0, consistency=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    torch.autograd.backward(component.losses(Forward(network, _batches()), 0)["edge_proximity"])
    pulled = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert pulled == {"edge_head.hidden.weight", "edge_head.hidden.bias"}


def test_training_keeps_what_is_held_nearer_to_its_start() -> None:
    distances = []
    for proximity in (0.0, 300.0):
        network = _network().train()
        component, task = _component(network, proximity=proximity), _task()
        start = network.encoder.conv1.weight.detach().clone()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        for step in range(6):
            forward = Forward(network, _batches())
            terms = {**Supervised(task.settings).losses(forward, step), **component.losses(forward, step)}
            optimizer.zero_grad()
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
            optimizer.step()
        distances.append(float((network.encoder.conv1.weight.detach() - start).norm()))
    assert distances[1] < 0.7 * distances[0]


def test_weights_of_zero_leave_their_terms_out() -> None:
    network = _network()
    forward = Forward(network, _batches(), 1.0)
    assert set(_component(network).losses(forward, 0)) == {"edge_boundary", "edge_proximity", "edge_consistency"}
    assert set(_component(network, weight=0).losses(forward, 0)) == {"edge_proximity", "edge_consistency"}
    assert set(_component(network, proximity=0).losses(forward, 0)) == {"edge_boundary", "edge_consistency"}
    assert set(_component(network, consistency=0).losses(forward, 0)) == {"edge_boundary", "edge_proximity"}


def test_streams_are_those_that_are_there_and_used() -> None:
    assert Edge(_task(), EdgeSettings()).streams() == ("labelled", "unlabelled")
    assert Edge(_task(), EdgeSettings(unlabelled=False)).streams() == ("labelled",)
    assert Edge(_task(), EdgeSettings(consistency=0)).streams() == ("labelled",)
    assert Edge(_task(streams=("labelled",)), EdgeSettings()).streams() == ("labelled",)


def test_without_target_labels_the_boundary_is_left_to_the_source_and_agreement_remains() -> None:
    network = _network()
    component = Edge(_task(streams=("unlabelled", "source")), EdgeSettings())
    component.prepare(network, _start(network))
    assert component.streams() == ("unlabelled",)
    terms = component.losses(Forward(network, {"unlabelled": _batch(), "source": _batch()}, 1.0), 0)
    assert set(terms) == {"edge_proximity", "edge_consistency"}


def test_autocast_gives_nearly_the_same_terms_in_float32() -> None:
    network = _network()
    component = _component(network)
    exact = component.losses(Forward(network, _batches(), 1.0), 0)
    with torch.autocast("cpu", torch.bfloat16):
        rough = component.losses(Forward(network, _batches(), 1.0), 0)
    for name, term in rough.items():
        assert term.dtype == torch.float32
        assert float(term.detach()) == pytest.approx(float(exact[name].detach()), rel=0.05)


def test_a_network_without_an_edge_head_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="without an edge head") as caught:
        Edge(_task("model.edge_head=false"), EdgeSettings())
    assert caught.value.code == "no-edge-head"


def test_nothing_needs_keeping_because_preparing_again_gives_the_same_anchors() -> None:
    first, second = _component(_network()), _component(_network())
    assert first.state_dict() == {}
    for component, again in zip(first._anchors, second._anchors, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(component.start, again.start, strict=True))


def test_the_strategy_lists_the_component_with_knobs_that_words_can_change() -> None:
    settings = resolve(["strategy=edge", "edge.stages=1", "edge.proximity=5"])
    assert list(settings.components) == ["supervised", "finetune", "edge"]
    info = COMPONENTS.load("edge").COMPONENT
    made = info.settings.model_validate(settings.components["edge"])
    assert (made.stages, made.proximity) == (1, 5.0)
    assert isinstance(info.make(_task(), made), Edge)
