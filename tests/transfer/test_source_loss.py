from pathlib import Path

import pytest
import torch
from torch import Tensor

from seg.config import Model
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.errors import UsageError
from seg.losses.dice_cross_entropy import dice_cross_entropy
from seg.losses.edge import edge
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.transfer._source_loss import SourceLossSettings, SourceTrained, per_slice, refuse_two_weightings
from seg.transfer.component import Forward, Source, Task

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
PLAN = Plan(("pancreas",), (1,), 1.0, "px", 64, 1, (Intensity("range", 0.0, 255.0),))
WEIGHTS = torch.tensor([0.5, 1.0, 3.0])


class Weighted(SourceTrained):
    def slice_weights(self, batch: Batch) -> Tensor:
        return WEIGHTS


def _task(*words: str, source: Source | None = None) -> Task:
    settings = resolve(["organ=pancreas", *words])
    return Task(settings, PLAN, {}, source, ("liver",), Path("cache"))


def _network(edge_head: bool = True) -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL.model_copy(update={"edge_head": edge_head}), 1, 3)[0].eval()


def _made(
    network: SegNetwork, *words: str, kind: type[SourceTrained] = SourceTrained, **knobs: object
) -> SourceTrained:
    component = kind(_task(*words), SourceLossSettings.model_validate(knobs))
    component.prepare(network, WeightReport("none"))
    return component


def _batch() -> Batch:
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(3, 1, 64, 64)
    masks[0, :, 20:40, 10:30] = masks[1, :, 5:25, 30:60] = 1
    valid = torch.ones(3, 1, 64, 64, dtype=torch.bool)
    valid[0, :, :8] = False
    return Batch(images, masks, valid, ("a, slice 0", "a, slice 1", "b, slice 0"))


def test_a_loss_per_slice_is_the_loss_of_the_slice_alone() -> None:
    batch = _batch()
    logits = batch.images[:, :1] * 4 - 2
    found = per_slice(dice_cross_entropy, logits, batch.masks, batch.valid)
    assert found.shape == (3,)
    for row in range(3):
        alone = dice_cross_entropy(*(t[row][None] for t in (logits, batch.masks, batch.valid)))
        assert torch.equal(found[row], alone)


def test_terms_are_weighted_means_of_the_slices_losses() -> None:
    network, batch = _network(), _batch()
    component = _made(network, "loss.edge_weight=0.25", kind=Weighted)
    forward = Forward(network, {"labelled": batch, "source": batch}, progress=0.0)
    terms = component.losses(forward, 0)
    masks, edges = component.heads(network, forward.output("source"))
    band = boundary_band(batch.masks, 2)
    expected_mask = sum(
        WEIGHTS[row] * dice_cross_entropy(masks[row][None], batch.masks[row][None], batch.valid[row][None])
        for row in range(3)
    )
    expected_edge = sum(
        WEIGHTS[row] * edge(edges[row][None], band[row][None], batch.valid[row][None]) for row in range(3)
    )
    assert set(terms) == {"source_mask", "source_edge"}
    torch.testing.assert_close(terms["source_mask"], expected_mask / 3)
    torch.testing.assert_close(terms["source_edge"], 0.25 * expected_edge / 3)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 2.0), (0.25, 1.6), (1.0, 0.4)])
def test_the_sources_share_falls_in_a_straight_line(progress: float, share: float) -> None:
    network, batch = _network(), _batch()
    fading, steady = _made(network, weight=2.0, final_weight=0.4), _made(network, weight=1.0, final_weight=1.0)
    forward = Forward(network, {"labelled": batch, "source": batch}, progress)
    torch.testing.assert_close(
        fading.losses(forward, 0)["source_mask"], share * steady.losses(forward, 0)["source_mask"]
    )


def test_without_target_labels_the_source_counts_fully_to_the_end() -> None:
    network, batch = _network(), _batch()
    component = _made(network, weight=0.5, final_weight=0.0)
    ends = [Forward(network, {"unlabelled": batch, "source": batch}, progress) for progress in (0.0, 1.0)]
    first, last = (component.losses(forward, 0)["source_mask"] for forward in ends)
    assert torch.equal(first, last)
    steady = _made(network, weight=1.0, final_weight=1.0)
    assert torch.equal(first, steady.losses(ends[0], 0)["source_mask"])


def test_bands_are_left_out_where_they_are_not_wanted_or_cannot_be() -> None:
    batch = _batch()
    for network, words, edges in (
        (_network(edge_head=False), [], True),
        (_network(), ["loss.edge_weight=0"], True),
        (_network(), [], False),
    ):
        component = _made(network, *words, edges=edges)
        assert set(component.losses(Forward(network, {"source": batch}), 0)) == {"source_mask"}


def test_losses_are_float32_under_autocast() -> None:
    network, batch = _network(), _batch()
    component = _made(network)
    with torch.autocast("cpu", torch.bfloat16):
        terms = component.losses(Forward(network, {"source": batch}), 0)
    assert {term.dtype for term in terms.values()} == {torch.float32}
    exact = component.losses(Forward(network, {"source": batch}), 0)
    assert all(torch.isclose(terms[name], exact[name], rtol=0.05) for name in exact)


def test_outputs_learn_at_the_full_rate_and_only_their_matrices_decay() -> None:
    component = _made(_network())
    groups = component.own_groups()
    assert {id(p) for group in groups for p in group.parameters} == {id(p) for p in component.heads.parameters()}
    assert all(group.lr_factor == 1.0 for group in groups)
    assert all((p.ndim > 1) == group.weight_decay for group in groups for p in group.parameters)


def test_outputs_begin_with_the_sources_model() -> None:
    network, source = _network(), _network().requires_grad_(False)
    component = SourceTrained(_task(source=Source(("liver",), lambda: source)), SourceLossSettings())
    component.prepare(network, WeightReport("none"))
    assert component.heads.masks is not None
    assert torch.equal(component.heads.masks.out.weight, source.mask_head.out.weight)
    assert all(p.requires_grad for p in component.heads.parameters())


def test_outputs_are_kept_and_restored() -> None:
    network = _network()
    component, other = _made(network), _made(network, "train.seed=1")
    state = {name: tensor.clone() for name, tensor in component.state_dict().items()}
    assert set(state) == {f"heads.{part}.out.{kind}" for part in ("masks", "edges") for kind in ("weight", "bias")}
    other.load_state_dict(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize("words", [["strategy=importance,tradaboost"], ["strategy=tradaboost,importance"]])
def test_two_ways_to_weigh_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="importance and tradaboost together") as caught:
        refuse_two_weightings(resolve(words))
    assert caught.value.code == "two-weightings"


def test_one_way_to_weigh_is_not_refused() -> None:
    for name in ("importance", "tradaboost", "joint", "supervised"):
        refuse_two_weightings(resolve([f"strategy={name}"]))
