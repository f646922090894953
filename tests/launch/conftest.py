"""Jobs that are small, and importable wherever they are run."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from seg.launch.job import Job

FOLDER = Path(__file__).parent / "work"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The functions of the jobs; processes find them by `sys.path`, those of submitit by the environment."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    return import_module("launched_work")


@pytest.fixture
def mixed(work: ModuleType) -> Callable[[Path], list[Job]]:
    """Jobs of all kinds, which write into a folder: two that are fine, two that die or fail once, one that fails."""

    def jobs(folder: Path) -> list[Job]:
        return [
            Job("killed once", work.killed_once, (folder,)),
            Job("first", work.square, (folder, 3)),
            Job("in vain", work.fails, (folder,)),
            Job("second", work.square, (folder, 4)),
            Job("failed once", work.failed_once, (folder,)),
        ]

    return jobs
