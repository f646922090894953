import pytest
import torch

from seg.config import Model
from seg.models.network import SegNetwork, build_network
from seg.transfer._source_heads import SourceHeads
from seg.transfer.component import Source

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _network(organs: int = 1, seed: int = 0, **changes: object) -> SegNetwork:
    torch.manual_seed(seed)
    return build_network(MODEL.model_copy(update=changes), organs, 3)[0].eval()


def test_an_organ_of_both_domains_is_predicted_by_the_networks_own_channels() -> None:
    network = _network(2)
    heads = SourceHeads(network, ["liver", "spleen"], ["spleen"], 0)
    output = network(IMAGES)
    masks, edges = heads(network, output)
    assert torch.equal(masks, output.masks[:, 1:])
    assert edges is not None
    assert torch.equal(edges, output.edges[:, 1:])
    assert list(heads.parameters()) == []


def test_other_organs_have_outputs_of_their_own_in_the_order_of_the_masks() -> None:
    network = _network()
    heads = SourceHeads(network, ["pancreas"], ["liver", "pancreas", "spleen"], 0)
    output = network(IMAGES)
    masks, edges = heads(network, output)
    assert heads.others == ("liver", "spleen")
    assert heads.masks is not None
    assert masks.shape == edges.shape == (2, 3, 64, 64)
    assert torch.equal(masks[:, 1:2], output.masks)
    assert torch.equal(masks[:, [0, 2]], heads.masks(output.decoded))


def test_a_networks_own_channels_learn_nothing_from_an_organ_they_do_not_predict() -> None:
    network = _network()
    heads = SourceHeads(network, ["pancreas"], ["liver"], 0)
    masks, edges = heads(network, network(IMAGES))
    (masks.sum() + edges.sum()).backward()
    assert network.edge_head is not None
    assert torch.count_nonzero(network.mask_head.out.weight.grad) == 0
    assert torch.count_nonzero(network.edge_head.out.weight.grad) == 0
    # The hidden layer of the edge head is what organs share.
    assert torch.count_nonzero(network.edge_head.hidden.weight.grad) > 0


def test_outputs_start_as_the_sources_model_has_them() -> None:
    source, network = _network(2, seed=1), _network(seed=1)
    network.load_state_dict(
        {name: t for name, t in source.state_dict().items() if ".out." not in name} | _own_outputs(network)
    )
    heads = SourceHeads(network, ["pancreas"], ["spleen"], 0)
    heads.start_from(Source(("liver", "spleen"), lambda: source))
    masks, edges = heads(network, network(IMAGES))
    expected = source(IMAGES)
    torch.testing.assert_close(masks, expected.masks[:, 1:])
    torch.testing.assert_close(edges, expected.edges[:, 1:])


def _own_outputs(network: SegNetwork) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if ".out." in name}


@pytest.mark.parametrize(
    "source",
    [
        Source(("kidneys",), lambda: _network(seed=1)),
        Source(("spleen",), lambda: _network(seed=1, decoder_channels=(16, 16, 8, 8, 4), edge_head=False)),
    ],
    ids=["another organ", "another width and no edge head"],
)
def test_a_source_that_does_not_fit_leaves_the_outputs_as_drawn(source: Source) -> None:
    network = _network(edge_head=source.organs == ("kidneys",))
    heads, drawn = (SourceHeads(network, ["pancreas"], ["spleen"], 0) for _ in range(2))
    heads.start_from(source)
    assert all(torch.equal(a, b) for a, b in zip(heads.parameters(), drawn.parameters(), strict=True))


def test_without_an_edge_head_there_are_no_bands() -> None:
    network = _network(edge_head=False)
    _, edges = SourceHeads(network, ["pancreas"], ["liver"], 0)(network, network(IMAGES))
    assert edges is None


def test_the_seed_alone_draws_the_outputs() -> None:
    network = _network()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = SourceHeads(network, ["pancreas"], ["liver"], 0).state_dict()
    assert torch.equal(torch.rand(3), expected)
    again, other = (SourceHeads(network, ["pancreas"], ["liver"], seed).state_dict() for seed in (0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["masks.out.weight"], other["masks.out.weight"])
