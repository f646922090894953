import pytest
import torch
from safetensors.torch import save_file

from seg.config import Model
from seg.errors import CheckpointError
from seg.models.network import build_network
from seg.models.source_weights import load_source, organ_rows

HEADS = ("mask_head.", "edge_head.")
WIDTHS = (32, 16, 16, 8, 8)


def build(organs=1, channels=3, seed=0, **more):
    torch.manual_seed(seed)
    settings = Model(**{"encoder": "resnet18", "weights": "none", "decoder_channels": WIDTHS, **more})
    return build_network(settings, organs, channels)[0]


@pytest.fixture
def save(tmp_path):
    """Write a network's weights as a run does."""

    def saved(network):
        path = tmp_path / "model.safetensors"
        save_file(network.state_dict(), path)
        return path

    return saved


def same(one, other, prefixes):
    pairs = [
        (one.state_dict()[name], tensor) for name, tensor in other.state_dict().items() if name.startswith(prefixes)
    ]
    assert pairs
    return all(torch.equal(ours, theirs) for ours, theirs in pairs)


def statuses(report):
    return {row.name: row.status for row in report.rows if row.status != "unused"}


PARTS = {
    "encoder": (("encoder.", "input_"), ("decoder.", "mask_head.out.weight", "edge_head.out.weight")),
    "encoder_decoder": (("encoder.", "input_", "decoder."), ("mask_head.out.weight", "edge_head.out.weight")),
    "all": (("encoder.", "input_", "decoder.", *HEADS), ()),
}


@pytest.mark.parametrize("parts", PARTS)
def test_only_the_parts_that_were_asked_for_move(save, parts):
    source, target, fresh = build(seed=1), build(seed=2), build(seed=2)
    report = load_source(target, save(source), parts=parts, source_organs=("liver",), organs=("liver",))
    moved, left = PARTS[parts]
    assert same(target, source, moved)
    assert {status for name, status in statuses(report).items() if name.startswith(moved)} == {"loaded"}
    untouched = tuple(name for name in fresh.state_dict() if name.startswith(left)) if left else ()
    assert all(torch.equal(target.state_dict()[name], fresh.state_dict()[name]) for name in untouched)
    assert {statuses(report)[name] for name in untouched} <= {"missing"}
    assert not [row for row in report.rows if row.status == "unused"]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("organs", [("liver",), ("liver", "spleen")])
def test_every_tensor_of_the_network_has_its_row(save, parts, organs):
    target = build(len(organs))
    report = load_source(target, save(build(1, seed=1)), parts=parts, source_organs=("spleen",), organs=organs)
    assert list(statuses(report)) == list(target.state_dict())
    shapes = {row.name: row.expected for row in report.rows}
    assert shapes == {name: tuple(tensor.shape) for name, tensor in target.state_dict().items()}


def test_a_binary_head_goes_on_as_that_of_another_organ_and_that_is_said(save):
    source, target = build(seed=1), build(seed=2)
    report = load_source(target, save(source), parts="all", source_organs=("liver",), organs=("pancreas",))
    assert same(target, source, HEADS)
    assert report.notes == ("both models have one organ: the heads of liver go on as those of pancreas",)


def test_heads_move_organ_by_organ_by_name(save):
    source, target, fresh = build(2, seed=1), build(3, seed=2), build(3, seed=2)
    organs = ("spleen", "pancreas", "liver")
    report = load_source(target, save(source), parts="all", source_organs=("liver", "spleen"), organs=organs)
    for head in (lambda network: network.mask_head.out, lambda network: network.edge_head.out):
        for ours, theirs, first in zip(*(head(one).parameters() for one in (target, source, fresh)), strict=True):
            assert torch.equal(ours[0], theirs[1])
            assert torch.equal(ours[1], first[1])
            assert torch.equal(ours[2], theirs[0])
    assert same(target, source, ("edge_head.hidden",))
    adapted = {name for name, status in statuses(report).items() if status == "adapted"}
    assert adapted == {f"{head}out.{kind}" for head in HEADS for kind in ("weight", "bias")}
    assert report.notes == ("heads taken over by name: spleen, liver; from nothing: pancreas",)


def test_two_organs_in_another_order_are_adapted_and_answer_as_before(save):
    source, target = build(2, seed=1).eval(), build(2, seed=2).eval()
    words = {"source_organs": ("liver", "spleen"), "organs": ("spleen", "liver")}
    report = load_source(target, save(source), parts="all", **words)
    with torch.inference_mode():
        images = torch.rand(1, 3, 64, 64)
        ours, theirs = target(images), source(images)
    assert torch.equal(ours.masks, theirs.masks[:, [1, 0]])
    assert torch.equal(ours.edges, theirs.edges[:, [1, 0]])
    assert statuses(report)["mask_head.out.weight"] == "adapted"
    same_order = load_source(build(2), save(source), parts="all", source_organs=("a", "b"), organs=("a", "b"))
    assert set(statuses(same_order).values()) == {"loaded"}
    assert same_order.notes == ()


@pytest.mark.parametrize(("source_organs", "hidden"), [(("spleen", "stomach"), "loaded"), ((), "missing")])
def test_without_a_common_organ_the_last_layers_start_from_nothing(save, source_organs, hidden):
    source = build(max(1, len(source_organs)), seed=1)
    target, fresh = build(2, seed=2), build(2, seed=2)
    path = save(source)
    report = load_source(target, path, parts="all", source_organs=source_organs, organs=("liver", "pancreas"))
    assert same(target, fresh, ("mask_head.", "edge_head.out"))
    assert statuses(report)["edge_head.hidden.weight"] == hidden
    assert {status for name, status in statuses(report).items() if ".out." in name} == {"missing"}
    assert any("mask head" in note for note in report.notes)


def test_heads_of_a_run_that_predicts_no_organ_stay_behind_even_if_they_fit(save):
    source, target = build(1, seed=1), build(1, seed=2)
    report = load_source(target, save(source), parts="all", source_organs=(), organs=("pancreas",))
    assert not torch.equal(target.mask_head.out.weight, source.mask_head.out.weight)
    assert same(target, source, ("encoder.", "decoder."))
    assert report.notes == ("start from nothing: mask head, edge head",)


def test_colour_channels_become_one_and_one_becomes_three_that_answer_alike(save):
    grey, colour, back = build(channels=1, seed=1).eval(), build(channels=3, seed=2).eval(), build(channels=1).eval()
    grey.input_mean.fill_(0.3)
    grey.input_std.fill_(0.1)
    words = {"parts": "all", "source_organs": ("liver",), "organs": ("liver",)}
    first = load_source(colour, save(grey), **words)
    second = load_source(back, save(colour), **words)
    images = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        expected = grey(images).masks
        assert torch.allclose(colour(images.expand(1, 3, 64, 64)).masks, expected, atol=1e-4)
        assert torch.allclose(back(images).masks, expected, atol=1e-4)
    adapted = {"input_mean", "input_std", "encoder.conv1.weight"}
    for report in (first, second):
        assert {name for name, status in statuses(report).items() if status == "adapted"} == adapted
        assert any("encoder.conv1.weight" in note for note in report.notes)


def test_a_decoder_of_another_width_starts_anew_where_it_must_and_is_listed(save):
    source, wider = build(seed=1), build(seed=2, decoder_channels=(48, 16, 16, 8, 8))
    report = load_source(wider, save(source), parts="all", source_organs=("liver",), organs=("liver",))
    anew = {name for name, status in statuses(report).items() if status == "missing"}
    differs = {name for name, tensor in wider.state_dict().items() if tensor.shape != source.state_dict()[name].shape}
    assert anew == differs
    assert all(name.startswith("decoder.blocks.") for name in differs)
    assert any(f"{len(differs)} tensors start from nothing: decoder.blocks.0" in note for note in report.notes)
    assert report.matched_fraction == 1


def test_a_source_of_another_encoder_is_refused_and_nothing_moves(save):
    target = build(encoder="resnet34")
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"Did not fit: encoder\.layer1\.2") as refusal:
        load_source(target, save(build(seed=1)), parts="encoder", source_organs=("liver",), organs=("liver",))
    assert refusal.value.code == "weights-do-not-fit"
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_a_foreign_encoder_file_gives_its_encoder_alone(tmp_path):
    source, target = build(seed=1), build(seed=2)
    save_file(
        {f"backbone.{name}": tensor for name, tensor in source.encoder.state_dict().items()}, tmp_path / "a.safetensors"
    )
    report = load_source(target, tmp_path / "a.safetensors", parts="all", source_organs=(), organs=("liver",))
    assert same(target.encoder, source.encoder, "")
    assert report.notes == ("start from nothing: decoder, mask head, edge head",)
    assert report.source == "a.safetensors"


def test_a_source_without_an_edge_head_leaves_it_to_start_from_nothing(save):
    target = build(seed=2)
    report = load_source(
        target, save(build(seed=1, edge_head=False)), parts="all", source_organs=("liver",), organs=("liver",)
    )
    assert report.notes == ("start from nothing: edge head",)
    assert statuses(report)["mask_head.out.weight"] == "loaded"


@pytest.mark.parametrize(
    ("source", "target", "rows"),
    [
        (("liver",), ("pancreas",), (0,)),
        (("liver", "spleen"), ("spleen",), (1,)),
        (("liver",), ("spleen", "liver"), (None, 0)),
        ((), ("liver",), (None,)),
    ],
)
def test_organs_find_their_rows(source, target, rows):
    assert organ_rows(source, target) == rows
