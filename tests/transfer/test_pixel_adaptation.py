from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.overrides import resolve
from seg.transfer._pixel_transforms import PixelAdaptation
from seg.transfer.component import Component, Task
from seg.transfer.pixel_adaptation import COMPONENT, PixelAdaptationSettings

PLAN = Plan(("pancreas",), (1,), 1.0, "px", 64, 1, (Intensity("range", 0.0, 255.0),))


def _body(side: int, grey: float, slices: int, seed: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] - side / 2
    texture = np.random.default_rng(seed).normal(0, 0.05, (slices, 1, side, side))
    return np.clip((grey + texture) * (np.hypot(rows, columns) < side / 3), 0, 1)


def _case(folder: Path, name: str, grey: float, labelled: bool, side: int = 64) -> PreparedCase:
    place = folder / name
    place.mkdir(parents=True)
    np.save(place / "image.npy", _body(side, grey, 2, 0).astype(np.float16))
    if labelled:
        np.save(place / "masks.npy", np.ones((2, 1, side, side), dtype=np.uint8))
    return PreparedCase(name, name, place, contiguous=True, labelled=labelled, organ_slices=(0,) if labelled else ())


@pytest.fixture
def task(tmp_path: Path) -> Task:
    cases = {
        "labelled": [_case(tmp_path, "one", 0.6, True)],
        "unlabelled": [_case(tmp_path, "other", 0.8, False, side=96)],
        "source": [],
    }
    return Task(resolve(["organ=pancreas", "strategy=pixel_adaptation"]), PLAN, cases, None, ("liver",), tmp_path)


def _made(task: Task, **knobs: object) -> Component:
    return COMPONENT.make(task, PixelAdaptationSettings.model_validate({"probability": 1.0, **knobs}))


def _batch(grey: float = 0.3, size: int = 4) -> Batch:
    images = torch.from_numpy(_body(64, grey, size, 1).astype(np.float32)).repeat(1, 3, 1, 1)
    masks = (images[:, :1] > grey).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a, slice 0",) * size)


def _bodies(images: torch.Tensor) -> list[float]:
    return [float(image[image > image.mean()].mean()) for image in images]


def test_the_strategy_trains_on_what_it_adapts(task: Task) -> None:
    assert list(task.settings.components) == ["supervised", "joint", "pixel_adaptation"]
    assert list(resolve(["strategy=importance,pixel_adaptation"]).components)[:2] == ["supervised", "importance"]


def test_source_images_look_like_slices_of_labelled_and_unlabelled_targets(task: Task) -> None:
    component = _made(task)
    found = [
        grey for step in range(4) for grey in _bodies(component.change({"source": _batch()}, step)["source"].images)
    ]
    nearest = [min((0.6, 0.8), key=lambda grey, mean=mean: abs(grey - mean)) for mean in found]
    assert max(abs(mean - grey) for mean, grey in zip(found, nearest, strict=True)) < 0.03
    # As many of the one as of the other: every slice of the target once per epoch.
    assert nearest.count(0.6) == nearest.count(0.8) == 8


def test_masks_and_other_streams_stay_as_they_are(task: Task) -> None:
    batches = {"labelled": _batch(0.6), "source": _batch()}
    before = batches["source"].images.clone()
    found = _made(task).change(batches, 0)
    assert found["labelled"] is batches["labelled"]
    assert found["source"].masks is batches["source"].masks
    assert found["source"].where == batches["source"].where
    assert torch.equal(batches["source"].images, before)
    assert not torch.equal(found["source"].images, before)


def test_changes_depend_on_seed_and_step_alone(task: Task) -> None:
    batches = {"source": _batch()}
    first, again = (_made(task, probability=0.5).change(batches, 7)["source"].images for _ in range(2))
    component = _made(task, probability=0.5)
    component.change(batches, 6)
    assert torch.equal(first, again)
    assert torch.equal(first, component.change(batches, 7)["source"].images)
    others = [component.change(batches, step)["source"].images for step in (8, 9)]
    assert not all(torch.equal(first, other) for other in others)
    seeded = replace(task, settings=resolve(["organ=pancreas", "strategy=pixel_adaptation", "train.seed=1"]))
    reseeded = [_made(seeded, probability=0.5).change(batches, step)["source"].images for step in range(4)]
    plain = [component.change(batches, step)["source"].images for step in range(4)]
    assert not all(torch.equal(a, b) for a, b in zip(reseeded, plain, strict=True))


@pytest.mark.parametrize("method", ["histogram", "fourier", "both"])
def test_the_method_is_the_one_that_is_asked_for(task: Task, method: str) -> None:
    only = replace(task, cases={"labelled": task.cases["labelled"]})
    batch = _batch(size=1)
    found = _made(only, method=method, beta=0.05).change({"source": batch}, 0)["source"].images[0].numpy()
    image = task.cases["labelled"][0].image.astype(np.float32)
    # Two slices with a neighbour on each side, repeated at the ends.
    references = [image[[0, 0, 1], 0], image[[0, 1, 1], 0]]
    expected = [PixelAdaptation(method, 1.0, 0.05)(batch.images[0].numpy(), target, 0) for target in references]
    assert any(np.allclose(found, one, atol=1e-6) for one in expected)


def test_without_source_images_nothing_changes(task: Task) -> None:
    component = _made(task)
    without = {"labelled": _batch()}
    assert component.change(without, 0) is without
    encoded = {"source": replace(_batch(), features=(torch.zeros(4, 1, 8, 8),))}
    assert component.change(encoded, 0) is encoded
