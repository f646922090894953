from pathlib import Path

import pytest
from rich.console import Console

from seg.overrides import resolve
from seg.recipes.train import train
from seg.runs import Run


@pytest.fixture(scope="session")
def finished(phantoms: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a small network on small phantoms, two organs in one model. Tests must not change it."""
    words = [
        "organ=liver,spleen", f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=64",
        f"runs.folder={tmp_path_factory.mktemp('runs')}", "runs.name=both", "model.encoder=resnet18",
        "model.weights=none", "model.decoder_channels=32,16,16,8,8", "train.steps=40", "train.batch_size=4",
        "train.validations=2", "optim.lr=3e-3", "train.tensorboard=false", "evaluate.bootstrap_samples=100",
    ]  # fmt: skip
    run = train(resolve(words), console=Console(quiet=True))
    assert run is not None
    return run
