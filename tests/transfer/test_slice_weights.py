from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Augment
from seg.data.augment import Augmentation
from seg.data.cache import PreparedCase
from seg.data.dataset import SliceDataset
from seg.data.order import SliceOrder
from seg.transfer._slice_weights import SliceWeights, slice_names


def _case(folder: Path, name: str, slices: int = 2) -> PreparedCase:
    place = folder / name
    place.mkdir(exist_ok=True)
    np.save(place / "image.npy", np.zeros((slices, 1, 32, 32), dtype=np.float16))
    return PreparedCase(name, name, place, contiguous=True, labelled=False, organ_slices=())


def test_slices_have_the_names_that_batches_carry(tmp_path: Path) -> None:
    cases = [_case(tmp_path, "a"), _case(tmp_path, "b", 3)]
    data_set = SliceDataset(cases, SliceOrder(cases, 0, 0.0), Augmentation(Augment(strength=0.0), 32), 1, 0)
    assert {data_set[position].where for position in range(5)} == set(slice_names(cases))


def test_weights_are_one_until_they_are_replaced_and_then_have_mean_one(tmp_path: Path) -> None:
    weights = SliceWeights([_case(tmp_path, "a"), _case(tmp_path, "b")])
    assert torch.equal(weights.of(["b, slice 1", "a, slice 0"]), torch.ones(2))
    weights.replace(torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64))
    assert torch.allclose(weights.of(["b, slice 1", "a, slice 0"]), torch.tensor([2.0, 1 / 3]))
    assert weights.of(["a, slice 0"]).dtype == torch.float32


def test_equal_slices_of_two_sources_share_a_weight(tmp_path: Path) -> None:
    weights = SliceWeights([_case(tmp_path, "a"), _case(tmp_path, "b"), _case(tmp_path, "a")])
    assert len(weights.values) == 4
    assert weights.rows.tolist() == [0, 1, 2, 3, 0, 1]


def test_the_effective_number_is_kishs(tmp_path: Path) -> None:
    weights = SliceWeights([_case(tmp_path, "a", 4)])
    assert weights.effective_number == pytest.approx(4)
    weights.replace(torch.tensor([1.0, 1.0, 0.0, 2.0], dtype=torch.float64))
    assert weights.effective_number == pytest.approx(16 / 6)
