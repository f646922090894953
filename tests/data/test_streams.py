from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Augment, Data, Organ
from seg.data.cache import PreparedCase, prepare_case
from seg.data.discover import find_data
from seg.data.organs import organ_sources
from seg.data.plan import Intensity, Plan
from seg.data.streams import Batches, StreamSettings, stream_batches

PLAN = Plan(("liver",), (1,), 6.0, "mm", 64, 1, (Intensity("window", -160.0, 240.0),))


@pytest.fixture(scope="module")
def cases(phantoms: Path, cache: Path) -> dict[str, list[PreparedCase]]:
    data_set = find_data(phantoms, Data())
    sources = organ_sources(data_set, [Organ(name="liver", label_names=("liver",))], Data())

    def made(chosen):
        return [prepare_case(case, data_set, sources, PLAN, Data(), cache) for case in chosen]

    return {"labelled": made(data_set.labelled[:3]), "unlabelled": made(data_set.unlabelled)}


def _batches(cases, steps: range = range(6), workers: int = 0, seed: int = 0, **sizes: int) -> list[Batches]:
    settings = StreamSettings(PLAN, Augment(), 0.67, seed, workers, False)
    return list(stream_batches(cases, sizes or {"labelled": 4}, steps, settings))


def _same(one: Batches, other: Batches) -> bool:
    return all(
        torch.equal(one[name].images, other[name].images) and one[name].where == other[name].where for name in one
    )


def test_a_batch_has_images_masks_and_names(cases) -> None:
    (batch,) = (batches["labelled"] for batches in _batches(cases, range(1)))
    assert batch.images.shape == (4, 3, 64, 64)
    assert batch.masks.shape == (4, 1, 64, 64)
    assert batch.valid.shape == (4, 1, 64, 64)
    assert set(batch.masks.unique().tolist()) <= {0.0, 1.0}
    assert all("phantom" in where and "slice" in where for where in batch.where)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(cases, workers: int) -> None:
    assert all(map(_same, _batches(cases), _batches(cases, workers=workers)))


def test_starting_later_gives_what_an_uninterrupted_run_would_have_seen(cases) -> None:
    assert all(map(_same, _batches(cases)[4:], _batches(cases, range(4, 6))))


def test_making_batches_leaves_the_global_random_numbers_alone(cases) -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.rand(1), np.random.rand()
    torch.manual_seed(5)
    np.random.seed(5)
    _batches(cases, range(2))
    assert (torch.rand(1), np.random.rand()) == before


def test_another_seed_and_another_epoch_give_other_images(cases) -> None:
    assert not _same(_batches(cases, range(1))[0], _batches(cases, range(1), seed=1)[0])
    images = torch.cat([batches["labelled"].images for batches in _batches(cases, range(12))])
    assert len({image.numpy().tobytes() for image in images}) == len(images)


def test_streams_come_side_by_side_and_unlabelled_pixels_are_not_valid(cases) -> None:
    batches = _batches(cases, range(1), labelled=2, unlabelled=3)[0]
    assert batches["labelled"].images.shape[0] == 2
    assert batches["unlabelled"].images.shape[0] == 3
    # Padding of the crop may count as background, nothing else.
    assert not batches["unlabelled"].masks.any()
    assert batches["unlabelled"].valid.float().mean() < 0.5


def test_a_lone_slice_is_repeated_over_the_input_channels(cases) -> None:
    lone = replace(cases["labelled"][0], contiguous=False)
    (batches,) = _batches({"labelled": [lone]}, range(1))
    images = batches["labelled"].images
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])


def test_a_moved_batch_keeps_its_numbers(cases) -> None:
    (batches,) = _batches(cases, range(1))
    moved = batches["labelled"].to(torch.device("cpu"), torch.channels_last)
    assert moved.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved.images, batches["labelled"].images)
