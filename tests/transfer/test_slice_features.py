from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional as F

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.models.network import SegNetwork, build_network
from seg.transfer._slice_features import pooled_features

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))


@pytest.fixture
def network() -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL, 1, 3)[0]


def _case(folder: Path, name: str, shape: tuple[int, int], slices: int = 3, contiguous: bool = True) -> PreparedCase:
    place = folder / name
    place.mkdir()
    random = np.random.default_rng(len(name))
    np.save(place / "image.npy", random.random((slices, 1, *shape)).astype(np.float16))
    return PreparedCase(name, name, place, contiguous, labelled=False, organ_slices=())


@torch.no_grad()
def _direct(network: SegNetwork, stacked: np.ndarray) -> np.ndarray:
    height, width = stacked.shape[1:]
    image = F.pad(torch.from_numpy(stacked.astype(np.float32))[None], (0, -width % 32, 0, -height % 32))
    features: np.ndarray = network.eval().encode(image)[-1][0].mean((1, 2)).numpy()
    return features


def test_features_are_the_encoders_deepest_map_of_whole_padded_slices(network: SegNetwork, tmp_path: Path) -> None:
    cases = [_case(tmp_path, "a", (40, 50)), _case(tmp_path, "bb", (64, 64), 2)]
    found = pooled_features(network, cases, 1, 2, tmp_path / "cache")
    assert found.shape == (5, 512)
    image = np.asarray(cases[0].image, dtype=np.float32)
    assert_allclose(found[1], _direct(network, image[:, 0]), atol=1e-5)
    # The last slice has no next one and repeats itself.
    assert_allclose(found[2], _direct(network, image[[1, 2, 2], 0]), atol=1e-5)


def test_lone_slices_are_repeated_instead_of_mixed(network: SegNetwork, tmp_path: Path) -> None:
    case = _case(tmp_path, "a", (64, 64), contiguous=False)
    found = pooled_features(network, [case], 1, 8, tmp_path / "cache")
    image = np.asarray(case.image, dtype=np.float32)
    assert_allclose(found[1], _direct(network, image[[1, 1, 1], 0]), atol=1e-5)


def test_the_network_keeps_mode_and_statistics(network: SegNetwork, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pooled_features(network.train(), [_case(tmp_path, "a", (64, 64))], 1, 8, tmp_path / "cache")
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_features_of_the_same_encoder_and_scans_are_computed_once(network: SegNetwork, tmp_path: Path) -> None:
    cases, cache = [_case(tmp_path, "a", (64, 64))], tmp_path / "cache"
    first = pooled_features(network, cases, 1, 8, cache)
    (kept,) = cache.rglob("*.npy")
    np.save(kept, first + 1)
    assert_array_equal(pooled_features(network, cases, 1, 8, cache), first + 1)


def test_another_encoder_other_scans_and_other_neighbours_have_features_of_their_own(
    network: SegNetwork, tmp_path: Path
) -> None:
    cases, cache = [_case(tmp_path, "a", (64, 64))], tmp_path / "cache"
    first = pooled_features(network, cases, 1, 8, cache)
    pooled_features(network, [_case(tmp_path, "other", (64, 64))], 1, 8, cache)
    torch.manual_seed(1)
    changed = pooled_features(build_network(MODEL, 1, 3)[0], cases, 1, 8, cache)
    wider, _ = build_network(MODEL, 1, 5)
    pooled_features(wider, cases, 2, 8, cache)
    assert len(list(cache.rglob("*.npy"))) == 4
    assert np.abs(changed - first).max() > 1e-3


@pytest.mark.parametrize("damage", [b"", b"no array"])
def test_features_that_cannot_be_read_are_computed_again(network: SegNetwork, tmp_path: Path, damage: bytes) -> None:
    cases, cache = [_case(tmp_path, "a", (64, 64))], tmp_path / "cache"
    first = pooled_features(network, cases, 1, 8, cache)
    (kept,) = cache.rglob("*.npy")
    kept.write_bytes(damage)
    assert_array_equal(pooled_features(network, cases, 1, 8, cache), first)


def test_features_of_another_number_of_slices_are_not_believed(network: SegNetwork, tmp_path: Path) -> None:
    cases, cache = [_case(tmp_path, "a", (64, 64))], tmp_path / "cache"
    first = pooled_features(network, cases, 1, 8, cache)
    (kept,) = cache.rglob("*.npy")
    np.save(kept, first[:-1])
    assert_array_equal(pooled_features(network, cases, 1, 8, cache), first)
