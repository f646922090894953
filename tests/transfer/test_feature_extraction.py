from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Augment, Model
from seg.data.cache import PreparedCase
from seg.data.plan import Intensity, Plan
from seg.errors import TrainingError
from seg.models.network import SegNetwork, build_network
from seg.transfer import _feature_extraction
from seg.transfer._feature_cache import Entry
from seg.transfer._feature_extraction import extract, find_layout, spoken
from seg.transfer._feature_views import Views

SIDE, SLICES = 64, 3
PLAN = Plan(("liver",), (1,), 1.0, "px", SIDE, 1, (Intensity("range", 0.0, 255.0),))
VIEWS = Views(PLAN, Augment(), seed=0)


def _network(encoder: str = "resnet18") -> SegNetwork:
    torch.manual_seed(0)
    network, _ = build_network(Model(encoder=encoder, weights="none", decoder_channels=(16, 16, 8, 8, 8)), 1, 3)
    # Norms that have seen something, so that evaluation and training mode differ.
    network.train()
    with torch.no_grad():
        network(torch.rand(2, 3, SIDE, SIDE))
    return network.eval()


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    place = tmp_path / "case"
    place.mkdir()
    random = np.random.default_rng(0)
    np.save(place / "image.npy", random.random((SLICES, 1, SIDE, SIDE)).astype(np.float16))
    masks = random.integers(0, 2, (SLICES, 1, SIDE, SIDE)).astype(np.uint8)
    masks[:, :, :8] = 255
    np.save(place / "masks.npy", masks)
    case = PreparedCase("a", "a", place, True, True, (0, 1, 2))
    return [Entry(tmp_path / f"view-{view}", case, view) for view in range(2)]


def _extract(network: SegNetwork, entries: list[Entry], progress=lambda done, total, what: None):
    layout = find_layout(network, torch.rand(3, SIDE, SIDE))
    extract(network, entries, layout, VIEWS, 2, progress)
    return layout


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-vit_tiny_patch16_224"])
def test_kept_features_are_those_of_the_live_encoder_in_evaluation_mode(entries, encoder):
    network = _network(encoder)
    layout = _extract(network, entries)
    for entry in entries:
        images, found = layout.unpack([entry.read(z)[0] for z in range(SLICES)])
        with torch.no_grad():
            live = network.encode(images)
        assert len(found) == len(live)
        for kept, wanted in zip(found, live, strict=True):
            assert kept.shape == wanted.shape
            if wanted.numel():
                error = (kept.float() - wanted).abs().max() / wanted.abs().max()
                assert float(error) < 1e-3


def test_images_and_masks_beside_them_are_those_of_the_view(entries):
    layout = _extract(_network(), entries)
    for entry in entries:
        images, _ = layout.unpack([entry.read(z)[0] for z in range(SLICES)])
        (wanted,) = VIEWS.batches(entry.case, entry.view, SLICES)
        assert torch.equal(images, wanted.images.half().float())
        marked = np.stack([entry.read(z)[1] for z in range(SLICES)])
        assert np.array_equal(marked == 255, ~wanted.valid.numpy())
        assert np.array_equal(marked == 1, (wanted.masks.bool() & wanted.valid).numpy())
        assert (marked == 255).any()


def test_running_statistics_and_modes_stay(entries):
    network = _network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    _extract(network, entries)
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("value", [1e6, float("nan")])
def test_what_half_precision_cannot_hold_is_refused_by_name(entries, value):
    network = _network()
    with torch.no_grad():
        network.encoder.layer4[1].bn2.bias[0] = value
    with pytest.raises(TrainingError) as refused:
        _extract(network, entries)
    assert refused.value.code == "feature-overflow"
    assert "at level 5 of a, slice 0" in refused.value.found
    assert "65504" in refused.value.expected
    assert "freeze" in refused.value.fix
    assert not entries[0].folder.exists()


def test_progress_is_counted_in_slices(entries):
    told: list[tuple[int, int]] = []
    _extract(_network(), entries, lambda done, total, what: told.append((done, total)))
    assert told == [(2, 6), (3, 6), (5, 6), (6, 6)]


def test_progress_is_said_now_and_then_with_the_time_left(monkeypatch):
    now = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    monkeypatch.setattr(_feature_extraction.time, "monotonic", lambda: next(now))
    lines: list[str] = []
    listen = spoken(lines.append)
    for done in (10, 60, 70, 120):
        listen(done, 120, "a")
    assert lines == ["Features: 60 of 120 slices, about 6 s left", "Features: 120 of 120 slices, in 12 s"]
