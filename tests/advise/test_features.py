from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor
from torch.nn import functional as F

from seg.advice_settings import FeatureSettings
from seg.advise.evidence import CaseFeatures, Draw, Seen
from seg.advise.features import see
from seg.advise.pixels import draw_pixels, spread_slices
from seg.config import Model
from seg.data.cache import PreparedCase
from seg.errors import DataError
from seg.models.network import SegNetwork, build_network

CaseOf = Callable[..., PreparedCase]
MODEL = Model(encoder="tu-test_resnet", weights="none", decoder_channels=(16, 12, 8, 8))
FEW = FeatureSettings(slices=2, pixels=8)


def _network(seed: int = 0, model: Model = MODEL, channels: int = 3) -> SegNetwork:
    torch.manual_seed(seed)
    return build_network(model, 1, channels)[0].eval()


def _see(network: SegNetwork, cases: Sequence[PreparedCase], cache: Path, settings: FeatureSettings = FEW) -> Seen:
    return see(network, cases, 1, 2, cache, settings)


@torch.no_grad()
def _directly(network: SegNetwork, case: PreparedCase, z: int) -> tuple[list[Tensor], list[Tensor]]:
    """Encoder maps and decoder layers of one slice and its neighbours, padded; each layer at the image's size."""
    image = torch.from_numpy(np.asarray(case.image[z - 1 : z + 2, 0], dtype=np.float32))[None]
    features = network.encode(F.pad(image, (0, -image.shape[3] % 32, 0, -image.shape[2] % 32)))
    layers, skips = [features[-1]], features[-2:0:-1]
    for number, block in enumerate(network.decoder.blocks):
        size = features[-2 - number].shape[2:]
        layers.append(block(layers[-1], *size, skip_connection=skips[number] if number < len(skips) else None))
    whole = [F.interpolate(layer, features[0].shape[2:], mode="bilinear") for layer in layers[1:]]
    return features, whole


def test_features_are_those_of_the_networks_layers_at_the_drawn_pixels(case_of: CaseOf, tmp_path: Path) -> None:
    case, network = case_of(), _network()
    (found,) = _see(network, [case], tmp_path / "cache").cases
    slices = spread_slices(case, 2)
    pixels = draw_pixels(case, slices, 8, 2)
    assert [layer.shape[1] for layer in found.layers] == [12, 8, 8]
    for number, z in enumerate(slices):
        features, layers = _directly(network, case, z)
        assert_allclose(found.pooled[number], features[-1][0].mean((1, 2)).numpy(), atol=1e-5)
        chosen = pixels.slices == number
        rows, columns = torch.from_numpy(pixels.places[chosen]).T
        for layer, wanted in zip(found.layers, layers[-3:], strict=True):
            assert_allclose(layer[chosen], wanted[0, :, rows, columns].T.numpy(), atol=1e-4)
        with torch.no_grad():
            logits = network.mask_head(layers[-1])
        assert_allclose(found.masks[chosen], logits[0, :, rows, columns].T.numpy(), atol=1e-4)


def test_boundary_features_are_the_early_maps_mean_over_the_drawn_band(case_of: CaseOf, tmp_path: Path) -> None:
    case, network = case_of(), _network()
    (found,) = _see(network, [case], tmp_path / "cache").cases
    slices = spread_slices(case, 2)
    pixels = draw_pixels(case, slices, 8, 2)
    early = _directly(network, case, slices[1])[0][2]
    whole = F.interpolate(early, scale_factor=4, mode="bilinear")[0]
    rows, columns = pixels.places[(pixels.slices == 1) & (pixels.draws == Draw.BAND)].T
    assert_allclose(found.bands[1], whole[:, rows, columns].mean(dim=1).numpy(), atol=1e-4)


def test_lone_slices_are_repeated(case_of: CaseOf, tmp_path: Path) -> None:
    case, network = case_of(contiguous=False), _network()
    (found,) = _see(network, [case], tmp_path / "cache").cases
    plane = torch.from_numpy(np.asarray(case.image[spread_slices(case, 2)[0], 0], dtype=np.float32))
    with torch.no_grad():
        expected = network.encode(F.pad(plane.expand(1, 3, -1, -1), (0, 16, 0, 24)))[-1]
    assert_allclose(found.pooled[0], expected[0].mean((1, 2)).numpy(), atol=1e-5)


def _same(one: CaseFeatures, other: CaseFeatures) -> None:
    for name in ("pooled", "bands", "masks", "edges", "draws", "organs", "slices"):
        assert_array_equal(vars(one)[name], vars(other)[name])
    for first, second in zip(one.layers, other.layers, strict=True):
        assert_array_equal(first, second)


def test_what_was_seen_before_comes_from_the_disk(
    case_of: CaseOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, network, cache = case_of(), _network(), tmp_path / "cache"
    first = _see(network, [case], cache)

    def refuse(images: Tensor) -> None:
        raise AssertionError("the network was run again")

    monkeypatch.setattr(network, "forward", refuse)
    again = _see(network, [case], cache)
    _same(first.cases[0], again.cases[0])
    assert (again.cases[0].name, again.cases[0].patient) == ("case", "patient of case")


@pytest.mark.parametrize("damage", ["empty", "no zip", "a flipped bit"])
def test_a_damaged_file_is_made_again(case_of: CaseOf, tmp_path: Path, damage: str) -> None:
    case, network, cache = case_of(), _network(), tmp_path / "cache"
    first = _see(network, [case], cache)
    (kept,) = cache.rglob("*.npz")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 16
    kept.write_bytes({"empty": b"", "no zip": b"nothing", "a flipped bit": bytes(content)}[damage])
    _same(first.cases[0], _see(network, [case], cache).cases[0])


def test_another_network_or_other_knobs_have_files_of_their_own(case_of: CaseOf, tmp_path: Path) -> None:
    case, cache = case_of(), tmp_path / "cache"
    network, other = _network(), _network()
    with torch.no_grad():
        other.mask_head.get_parameter("out.bias").add_(1)
    _see(network, [case], cache)
    _see(other, [case], cache)
    _see(network, [case], cache, FEW.model_copy(update={"pixels": 9}))
    see(network, [case], 1, 3, cache, FEW)
    assert len(list(cache.rglob("*.npz"))) == 4


def test_the_network_keeps_its_mode_and_weights_and_loses_its_hooks(case_of: CaseOf, tmp_path: Path) -> None:
    network = _network().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    _see(network, [case_of()], tmp_path / "cache")
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_at_most_so_many_cases_are_seen_and_the_seed_draws_them(case_of: CaseOf, tmp_path: Path) -> None:
    cases = [case_of(name=f"case{number}", slices=3, shown=range(1, 2)) for number in range(5)]
    network, cache = _network(), tmp_path / "cache"

    def names(seed: int) -> list[str]:
        settings = FEW.model_copy(update={"cases": 3, "seed": seed})
        return [case.name for case in _see(network, cases, cache, settings).cases]

    assert len(names(0)) == 3
    assert names(0) == names(0) == sorted(names(0))
    assert len({tuple(names(seed)) for seed in range(6)}) > 1


def test_scans_that_do_not_show_the_organ_are_refused(case_of: CaseOf, tmp_path: Path) -> None:
    nothing = replace(case_of(), organ_slices=())
    with pytest.raises(DataError, match="no scan that shows the organ") as caught:
        _see(_network(), [nothing], tmp_path / "cache")
    assert caught.value.code == "no-organ-slices"


def test_a_network_without_an_edge_head_and_a_plain_transformer_are_seen_too(case_of: CaseOf, tmp_path: Path) -> None:
    plain = _network(model=Model(encoder="tu-test_vit", weights="none", edge_head=False))
    (found,) = _see(plain, [case_of()], tmp_path / "cache").cases
    assert found.edges is None
    assert [layer.shape[1] for layer in found.layers] == [256, 256, 256]
    assert _see(plain, [case_of(name="again")], tmp_path / "cache").pixels("boundary").opinions is None


def test_progress_is_told(case_of: CaseOf, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    see(_network(), [case_of()], 1, 2, tmp_path / "cache", FEW, lambda *facts: told.append(facts))
    assert told == [(1, 1, "case")]
