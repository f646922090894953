from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from seg.models.network import build_network
from seg.overrides import resolve
from seg.recipes.prepare import prepare
from seg.recipes.train import make_training
from seg.runs import Run
from seg.train.log import TrainingLog
from seg.train.loop import fit
from seg.train.saved import restore
from seg.train.training import Progress, Training


@pytest.fixture
def make(small_words: list[str]) -> Callable[..., Training]:
    """A training of the small settings and further words."""

    def made(*words: str) -> Training:
        settings = resolve([*small_words, "model.encoder=tu-test_resnet", *words])
        prepared = prepare(settings)
        torch.manual_seed(settings.train.seed)
        network, weights = build_network(settings.model, len(settings.organ), prepared.plan.input_channels)
        return make_training(settings, prepared, network, weights)

    return made


@pytest.fixture
def go(tmp_path: Path) -> Callable[..., tuple[Run, Progress]]:
    """Run the loop in a folder from its newest checkpoint on."""

    def gone(training: Training, name: str = "run") -> tuple[Run, Progress]:
        run = Run(tmp_path / name)
        run.folder.mkdir(exist_ok=True)
        progress = restore(training, run, Progress(training.total_steps))
        console = Console(quiet=True)
        with TrainingLog(run, progress.total_steps, progress.step, console, training.settings.train.tensorboard) as log:
            return run, fit(training, run, log, progress)

    return gone
