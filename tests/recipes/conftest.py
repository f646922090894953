from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seg.config import Settings
from seg.overrides import resolve
from seg.recipes.arms import Arm
from seg.recipes.proof_folder import Asked
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


@pytest.fixture
def copy_run() -> Callable[..., Run]:
    """Makes a run that shares the files of another and has a manifest of its own, with some fields changed."""

    def made(run: Run, folder: Path, **changes: object) -> Run:
        folder.mkdir(parents=True)
        for name in ("config.yaml", "plan.json", "split.json", "model.safetensors", "last.safetensors"):
            (folder / name).symlink_to(run.folder / name)
        copy = Run(folder)
        copy.write_manifest(replace(run.manifest(), **changes))
        return copy

    return made


@pytest.fixture(scope="session")
def stepwise_words(phantoms: Path, cache: Path) -> tuple[str, ...]:
    """Settings of a step-by-step transfer of very small trainings, from nothing to the pancreas."""
    return (
        "organ=pancreas", "transfer.source=none", "transfer.guard=false", "transfer.probe_steps=2",
        f"data.root={phantoms}",
        f"prepare.cache={cache}", "prepare.size_px=32", "model.encoder=tu-test_resnet", "model.weights=none",
        "model.decoder_channels=16,16,8,8,8", "train.steps=4", "train.batch_size=2", "train.validations=1",
        "train.threads=1", "train.precision=fp32", "train.tensorboard=false", "evaluate.bootstrap_samples=100",
        "evaluate.metrics=dice", "predict.keep_largest=no",
    )  # fmt: skip


@pytest.fixture
def stepwise(stepwise_words: tuple[str, ...], tmp_path: Path) -> Callable[..., Settings]:
    """Such settings with runs in the test's own folder, and with further words."""
    return lambda *words: resolve([*stepwise_words, f"runs.folder={tmp_path / 'runs'}", *words])


@pytest.fixture
def make_asked() -> Callable[..., Asked]:
    """What a proof was asked, by names of arms; `same` names those that are the same training as another."""

    def made(names: Sequence[str], sizes: tuple[int, ...] = (5,), seeds: int = 3, **more: Any) -> Asked:
        same = more.pop("same", {})
        arms = tuple(
            Arm(name, "none", "none", (name,), name not in ("scratch", "imagenet"), f"{name} in words",
                same.get(name, name))
            for name in names
        )  # fmt: skip
        settings = {"train": {"steps": 10, "epochs": None}, "evaluate": {"curve": 3, "show_names": False},
                    "data": {"root": "/scans/abdomen"}, "split": {"file": ""}}  # fmt: skip
        return Asked(("pancreas",), {"liver": "/runs/liver"}, arms, sizes, seeds, settings, **more)

    return made
