import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.config import Augment, Data, Organ
from seg.data.cache import PreparedCase, prepare_case
from seg.data.discover import find_data
from seg.data.order import SliceOrder
from seg.data.organs import organ_sources
from seg.data.plan import Intensity, Plan
from seg.data.streams import Batches, StreamSettings, stream_batches
from seg.errors import DataError

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


@pytest.mark.parametrize("workers", [1, 2, 4])
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


def test_every_slice_of_an_epoch_is_changed_in_its_own_way_and_in_the_next_epoch_in_another(cases) -> None:
    settings = StreamSettings(PLAN, Augment(), 0.67, 0, 0, False)
    length = SliceOrder(cases["labelled"], 0, 0.67).epoch_length
    batches = stream_batches(cases, {"labelled": length}, range(2), settings)
    first, second = (batch["labelled"] for batch in batches)
    images = [{where: image.numpy().tobytes() for where, image in zip(batch.where, batch.images, strict=True)}
              for batch in (first, second)]  # fmt: skip
    assert len(images[0]) == len(set(images[0].values())) == length
    both = images[0].keys() & images[1].keys()
    assert len(both) > length / 2
    assert all(images[0][where] != images[1][where] for where in both)


def test_loading_stops_in_the_middle_without_leaving_processes(cases) -> None:
    settings = StreamSettings(PLAN, Augment(), 0.67, 0, 2, False)
    batches = stream_batches(cases, {"labelled": 2}, range(100), settings)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_slice_that_cannot_be_read_is_named(cases, tmp_path: Path, workers: int) -> None:
    lost = [replace(case, folder=tmp_path / case.name) for case in cases["labelled"]]
    for case in lost:
        case.folder.mkdir()
        np.save(case.folder / "image.npy", np.zeros((10, 1, 64, 64), np.float16))
    settings = StreamSettings(PLAN, Augment(), 0.67, 0, workers, False)
    with pytest.raises(DataError, match=r"FileNotFoundError: .*masks.npy.*, while .*phantom.*, slice \d+ was loaded"):
        list(stream_batches({"labelled": lost}, {"labelled": 2}, range(3), settings))


def test_on_the_way_to_a_gpu_images_are_rounded_to_half_precision_and_masks_are_not(cases) -> None:
    settings = StreamSettings(PLAN, Augment(), 0.67, 0, 1, False, half=True)
    (half,) = stream_batches(cases, {"labelled": 4}, range(1), settings)
    (exact,) = _batches(cases, range(1))
    moved = half["labelled"].to(torch.device("cpu"))
    assert half["labelled"].images.dtype == torch.float16
    assert moved.images.dtype == moved.masks.dtype == torch.float32
    assert torch.equal(moved.images, exact["labelled"].images.half().float())
    assert torch.equal(moved.masks, exact["labelled"].masks)


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
