from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.models.network import build_network
from seg.models.weights import WeightReport, WeightRow
from seg.overrides import resolve
from seg.train.loop import take_step
from seg.train.precision import Precision
from seg.train.training import Training
from seg.transfer.component import Component, Task

SMALL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))


@pytest.fixture
def loaded() -> Callable[..., WeightReport]:
    """A report of a start in which all tensors were loaded but those whose names begin with one of these."""

    def made(*missing: str, model: Model = SMALL) -> WeightReport:
        network, _ = build_network(model, 1, 3)
        rows = [
            WeightRow(name, "missing" if name.startswith(missing) else "loaded", tuple(t.shape), tuple(t.shape))
            for name, t in network.state_dict().items()
        ]
        return WeightReport("liver", rows=tuple(rows))

    return made


@pytest.fixture
def in_loop() -> Callable[..., Training]:
    """A training on the CPU of a small network with these components; it has no data."""

    def made(
        components: Sequence[Component], start: WeightReport, *words: str, steps: int = 10, model: Model = SMALL
    ) -> Training:
        torch.manual_seed(0)
        network, _ = build_network(model, 1, 3)
        plan, device = Plan((), (), 1.0, "mm", 64, 1, (Intensity("window", -160, 240),)), torch.device("cpu")
        settings = resolve(["optim.warmup=0", "optim.schedule=constant", *words])
        return Training(
            settings, plan, network, start, components, {}, {}, (), device, Precision("fp32", device, 5.0), steps
        )

    return made


@pytest.fixture
def step() -> Callable[[Training, int], None]:
    """One step of the loop on random images that follow from the step."""

    def taken(training: Training, number: int) -> None:
        images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(number))
        masks = (images[:, :1] > 0.5).float()
        batch = Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a", "b"))
        take_step(training, {"labelled": batch}, number)

    return taken


@pytest.fixture
def task_of() -> Callable[..., Task]:
    """A task for the pancreas with so many patients per stream, whose arrays are not there."""

    def made(
        *words: str, labelled: int = 5, unlabelled: int = 0, source: int = 3, source_organs: Sequence[str] = ("liver",)
    ) -> Task:
        counts = {"labelled": labelled, "unlabelled": unlabelled, "source": source}
        cases = {
            stream: [PreparedCase(f"{stream}{n}", f"{stream}{n}", Path(), True, stream != "unlabelled", ())
                     for n in range(count)]
            for stream, count in counts.items() if count
        }  # fmt: skip
        plan = Plan(("pancreas",), (1,), 1.0, "mm", 64, 1, (Intensity("window", -160, 240),))
        return Task(resolve(["organ=pancreas", *words]), plan, cases, None, tuple(source_organs), Path())

    return made
