"""What every test needs: no network, one thread, and no results outside the test's own folder."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time: a change is not to fail on what it did not touch.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

# Before torch or albumentations are imported, because they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths such as `runs` end in a folder of the test, never in the checkout."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small labelled and two unlabelled synthetic abdomens, in the Decathlon layout."""
    from seg.data.phantom.layouts import write_phantoms

    root = tmp_path_factory.mktemp("phantoms") / "abdomen"
    return write_phantoms(root, "decathlon", labelled=8, unlabelled=2, size=(10, 64, 64))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared cases that tests share; its entries are keyed by content, so sharing changes nothing."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def small_words(phantoms: Path, cache: Path, tmp_path: Path) -> list[str]:
    """Settings of a training of seconds."""
    return [
        "organ=liver", f"data.root={phantoms}", f"prepare.cache={cache}", f"runs.folder={tmp_path / 'runs'}",
        "prepare.size_px=64", "model.encoder=resnet18", "model.weights=none", "model.decoder_channels=32,16,16,8,8",
        "train.steps=4", "train.batch_size=4", "train.validations=2", "train.threads=1", "train.precision=fp32",
        "train.tensorboard=false", "evaluate.bootstrap_samples=100",
    ]  # fmt: skip
