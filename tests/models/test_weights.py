import json
import os
import re
import time
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file

from seg.config import Model
from seg.errors import CheckpointError, UsageError
from seg.models import hub, unpickle, weight_files
from seg.models.network import build_network
from seg.models.weights import WeightReport, load_weight_file


def build(weights, encoder="resnet18", channels=3, organs=1, **more):
    return build_network(Model(encoder=encoder, weights=str(weights), **more), organs, channels)


def encoder_file(path: Path, encoder="resnet18", prefix="") -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    tensors = build("none", encoder)[0].encoder.state_dict()
    save_file({f"{prefix}{name}": tensor for name, tensor in tensors.items()}, path)
    return tensors


def test_no_weights_is_said():
    report = build("none")[1]
    assert report == WeightReport("none")
    assert report.matched_fraction == 0
    assert report.summary() == "random weights"


def test_a_file_loads_the_encoder_and_says_what_it_did(tmp_path):
    tensors = encoder_file(tmp_path / "resnet18.safetensors", prefix="module.backbone.")
    network, report = build(tmp_path / "resnet18.safetensors")
    assert all(torch.equal(network.encoder.state_dict()[name], tensor) for name, tensor in tensors.items())
    assert report.matched_fraction == 1
    assert {row.status for row in report.rows if row.name.startswith("encoder.")} == {"loaded"}
    assert [row.name for row in report.rows] == list(network.state_dict())
    assert (report.source, len(report.sha256)) == ("resnet18.safetensors", 64)
    assert report.notes == ("start from nothing: decoder, mask head, edge head",)


@pytest.fixture
def same_process(monkeypatch):
    """Convert without a process of its own, whose start is most of the time."""

    def convert(path: Path, destination: Path, limit_s: float) -> str:
        return "a pickle that was refused" if unpickle.main(str(path), str(destination)) else ""

    monkeypatch.setattr(unpickle, "limit_memory", lambda more_bytes: None)
    monkeypatch.setattr(weight_files, "_convert", convert)


def test_a_checkpoint_with_optimiser_and_classifier_loads_too(tmp_path, same_process):
    tensors = build("none")[0].encoder.state_dict()
    old = {name: tensor for name, tensor in tensors.items() if "num_batches_tracked" not in name}
    path = tmp_path / "old.pth"
    torch.save({"state_dict": {**old, "fc.weight": torch.ones(1000, 512)}, "optimizer": {"lr": 0.1}, "epoch": 9}, path)
    network, report = build(path)
    assert torch.equal(network.encoder.conv1.weight, tensors["conv1.weight"])
    assert report.matched_fraction == 1
    assert [row.name for row in report.rows if row.status == "unused"] == ["state_dict.fc.weight"]
    fresh = [name for name in network.state_dict() if not name.startswith("encoder.") and "num_batches" not in name]
    assert report.summary() == f"{len(old)} loaded, {len(fresh)} from nothing, 1 unused"


@pytest.mark.parametrize("channels", [1, 9])
def test_the_first_convolution_is_adapted_to_other_channels(tmp_path, channels):
    tensors = encoder_file(tmp_path / "colour.safetensors")
    network, report = build(tmp_path / "colour.safetensors", channels=channels)
    (row,) = [row for row in report.rows if row.status == "adapted"]
    assert (row.name, row.found, row.expected) == ("encoder.conv1.weight", (64, 3, 7, 7), (64, channels, 7, 7))
    assert torch.allclose(network.encoder.conv1.weight.sum(1), tensors["conv1.weight"].sum(1), atol=1e-5)
    assert any("encoder.conv1.weight" in note for note in report.notes)


def test_weights_of_another_network_are_refused_with_what_did_not_fit(tmp_path):
    encoder_file(tmp_path / "resnet18.safetensors")
    with pytest.raises(CheckpointError, match=r"Did not fit: encoder\.") as refusal:
        build(tmp_path / "resnet18.safetensors", encoder="resnet34")
    assert refusal.value.code == "weights-do-not-fit"
    assert "absent" in str(refusal.value)


def test_a_few_missing_tensors_are_reported_not_refused(tmp_path):
    tensors = encoder_file(tmp_path / "all.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("bn1.")}
    save_file(kept, tmp_path / "few.safetensors")
    report = build(tmp_path / "few.safetensors")[1]
    assert 0.9 < report.matched_fraction < 1
    assert any("start from nothing: encoder.bn1.weight" in note for note in report.notes)


def test_a_refused_file_leaves_the_network_alone(tmp_path):
    encoder_file(tmp_path / "resnet18.safetensors")
    network = build("none", "resnet34")[0]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_weight_file(network, tmp_path / "resnet18.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0"])
def test_a_file_of_an_own_run_loads_completely(tmp_path, encoder):
    source = build("none", encoder, organs=2)[0]
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    target, report = build(tmp_path / "model.safetensors", encoder, organs=2)
    assert all(torch.equal(tensor, target.state_dict()[name]) for name, tensor in source.state_dict().items())
    assert {row.status for row in report.rows} == {"loaded"}
    assert report.notes == ()


def test_a_run_with_other_organs_keeps_its_own_head(tmp_path):
    source = build("none", organs=1)[0]
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    target, report = build(tmp_path / "model.safetensors", organs=3)
    assert torch.equal(target.decoder.blocks[0].conv1[0].weight, source.decoder.blocks[0].conv1[0].weight)
    missing = {row.name for row in report.rows if row.status == "missing"}
    assert missing == {"mask_head.out.weight", "mask_head.out.bias", "edge_head.out.weight", "edge_head.out.bias"}
    assert report.matched_fraction == 1


def test_half_precision_weights_load_as_float32(tmp_path):
    tensors = build("none")[0].encoder.state_dict()
    half = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_file(half, tmp_path / "half.safetensors")
    network, report = build(tmp_path / "half.safetensors")
    assert network.encoder.conv1.weight.dtype == torch.float32
    assert report.matched_fraction == 1


@pytest.mark.parametrize(("word", "near"), [("imagnet", "imagenet"), ("non", "none"), ("Auto", "auto")])
def test_a_mistyped_word_gets_the_nearest_choice(word, near):
    with pytest.raises(UsageError, match=f"Did you mean '{near}'"):
        build(word)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError) as refusal:
        build(tmp_path / "missing.pth")
    assert refusal.value.code == "weights-file"


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet10t", "tu-vit_tiny_patch16_224"])
def test_imagenet_without_a_network_fails_soon_and_names_the_choices(empty_cache, encoder):
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=re.escape("model.weights=none")) as refusal:
        build("imagenet", encoder)
    assert time.monotonic() - start < 5
    assert refusal.value.code == "weights-offline"
    assert "auto" in refusal.value.fix
    assert "<file>" in refusal.value.fix


def test_auto_goes_on_without_and_says_so(empty_cache):
    report = build("auto")[1]
    assert report.source == "none"
    assert report.matched_fraction == 0
    assert "went on without ImageNet weights" in report.notes[0]
    assert "HF_HUB_OFFLINE" in report.notes[0]


def test_an_encoder_without_published_weights_says_so(empty_cache):
    with pytest.raises(CheckpointError, match="none are published"):
        build("imagenet", "tu-test_vit4")


def put_into_cache(cache: Path, repository: str, revision: str, tensors: dict[str, torch.Tensor]) -> None:
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(revision)
    (snapshot / "config.json").write_text(json.dumps({"architecture": "any"}))
    save_file(tensors, snapshot / "model.safetensors")


@pytest.mark.parametrize("channels", [3, 9, 1])
def test_cached_imagenet_weights_work_offline_through_smp(empty_cache, channels):
    torch.manual_seed(9)
    tensors = build("none")[0].encoder.state_dict()
    published = hub.published_weights("resnet18")
    put_into_cache(empty_cache, published.place, published.revision, tensors)
    network, report = build("imagenet", channels=channels)
    assert torch.equal(network.encoder.layer1[0].conv1.weight, tensors["layer1.0.conv1.weight"])
    assert torch.allclose(network.encoder.conv1.weight.sum(1), tensors["conv1.weight"].sum(1), atol=1e-5)
    assert report.source == "imagenet (smp-hub/resnet18.imagenet)"
    assert report.matched_fraction == 1
    assert [row.name for row in report.rows] == list(network.state_dict())
    adapted = {row.name: row.found for row in report.rows if row.status == "adapted"}
    shaped = {"input_mean": (3,), "input_std": (3,), "encoder.conv1.weight": (64, 3, 7, 7)}
    assert adapted == ({} if channels == 3 else shaped)
    assert len(report.sha256) == 64
    assert build("auto", channels=channels)[1].source == report.source


@pytest.mark.parametrize("encoder", ["tu-resnet10t", "tu-vit_tiny_patch16_224"])
def test_cached_imagenet_weights_work_offline_through_timm(empty_cache, encoder):
    torch.manual_seed(9)
    tensors = timm.create_model(encoder.removeprefix("tu-"), pretrained=False).state_dict()
    published = hub.published_weights(encoder)
    put_into_cache(empty_cache, published.place, "0" * 40, tensors)
    network, report = build("imagenet", encoder)
    name = "layer1.0.conv1.weight" if "resnet" in encoder else "blocks.0.attn.qkv.weight"
    assert torch.equal(network.encoder.state_dict()[f"model.{name}"], tensors[name])
    assert report.matched_fraction == 1


def test_a_broken_cache_is_an_error_in_words(empty_cache):
    published = hub.published_weights("resnet18")
    put_into_cache(empty_cache, published.place, published.revision, {"conv1.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="no ImageNet weights of resnet18"):
        build("imagenet")


def test_published_weights_that_are_not_imagenets_are_named(empty_cache):
    published = hub.published_weights("resnext101_32x4d")
    assert published.argument == "ssl"


@pytest.mark.real
@pytest.mark.skipif("SEG_REAL_WEIGHTS" not in os.environ, reason="SEG_REAL_WEIGHTS names no folder")
@pytest.mark.parametrize(
    ("encoder", "name"),
    [("resnet50", "resnet50-imagenet-sparse.safetensors"), ("mobilenet_v2", "mobilenet_v2-imagenet.safetensors")],
)
@pytest.mark.parametrize("channels", [1, 3, 9])
def test_real_weights_fit_completely(encoder, name, channels):
    report = build(Path(os.environ["SEG_REAL_WEIGHTS"]) / name, encoder, channels)[1]
    assert report.matched_fraction == 1
