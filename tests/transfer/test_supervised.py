import torch

from seg.config import Model
from seg.data.dataset import Batch
from seg.models.network import build_network
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.transfer.component import Forward
from seg.transfer.supervised import Supervised

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))


def _batch(size: int = 2) -> Batch:
    images = torch.rand(size, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    masks = (images[:, :1] > 0.5).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a",) * size)


def test_terms_are_named_and_weighted() -> None:
    torch.manual_seed(0)
    network, _ = build_network(MODEL, 1, 3)
    forward = Forward(network.eval(), {"labelled": _batch()})
    light = Supervised(resolve(["loss.edge_weight=0.25"])).losses(forward, 0)
    heavy = Supervised(resolve(["loss.edge_weight=0.5"])).losses(forward, 0)
    assert set(light) == {"mask", "edge"}
    assert torch.isclose(2 * light["edge"], heavy["edge"])
    assert torch.equal(light["mask"], heavy["mask"])


def test_without_an_edge_head_or_weight_there_is_no_edge_term() -> None:
    network, _ = build_network(MODEL.model_copy(update={"edge_head": False}), 1, 3)
    assert set(Supervised(resolve([])).losses(Forward(network, {"labelled": _batch()}), 0)) == {"mask"}
    network, _ = build_network(MODEL, 1, 3)
    words = ["loss.edge_weight=0"]
    assert set(Supervised(resolve(words)).losses(Forward(network, {"labelled": _batch()}), 0)) == {"mask"}


def test_a_stream_goes_through_the_network_once_however_often_it_is_asked_for() -> None:
    network, _ = build_network(MODEL, 1, 3)
    forward = Forward(network, {"labelled": _batch()})
    assert forward.output("labelled") is forward.output("labelled")


def test_every_parameter_learns_in_exactly_one_group_and_only_matrices_decay() -> None:
    network, _ = build_network(MODEL, 1, 3)
    groups = Supervised(resolve([])).groups(network, WeightReport("none"))
    grouped = [p for group in groups for p in group.parameters]
    assert {id(p) for p in grouped} == {id(p) for p in network.parameters()}
    assert len(grouped) == len(list(network.parameters()))
    assert all((p.ndim > 1) == group.weight_decay for group in groups for p in group.parameters)


def test_a_pretrained_encoder_learns_more_slowly_than_the_rest() -> None:
    network, _ = build_network(MODEL, 1, 3)
    start = WeightReport("file", rows=(WeightRow("encoder.conv1.weight", "loaded", (1,), (1,)),))
    factors = {
        group.name: group.lr_factor
        for group in Supervised(resolve(["optim.encoder_lr_factor=0.2"])).groups(network, start)
    }
    assert factors["encoder"] == 0.2
    assert factors["decoder and heads"] == 1.0
    plain = Supervised(resolve([])).groups(network, WeightReport("none"))
    assert {group.lr_factor for group in plain} == {1.0}
