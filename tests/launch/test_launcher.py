import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from seg.errors import UsageError
from seg.launch.job import Job
from seg.launch.launcher import open_launcher
from seg.launch.launchers.in_process import InProcess
from seg.launch.launchers.processes import Processes
from seg.registry import LAUNCHERS


def test_a_launcher_is_found_by_its_name_and_logs_to_one_place_wherever_it_is_used() -> None:
    assert isinstance(open_launcher("in_process"), InProcess)
    assert open_launcher("processes", 3, Path("logs")) == Processes(3, Path.cwd() / "logs")
    with pytest.raises(UsageError, match="Did you mean 'processes'"):
        open_launcher("process", 1)


@pytest.mark.parametrize("workers", [0, -1])
def test_nobody_works_without_workers(workers: int) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        open_launcher("processes", workers)


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_a_missing_extra_is_said_with_the_command_that_installs_it(name: str, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    with pytest.raises(UsageError) as caught:
        open_launcher(name, 1)
    assert caught.value.fix == f'pip install "seg[{name}]"'
    assert caught.value.code == "missing-package"


def test_a_machine_that_cannot_submit_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: package)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="without srun"):
        open_launcher("slurm", 1)


@pytest.mark.parametrize("name", ["in_process", "processes"])
def test_two_jobs_of_one_name_are_a_mistake_of_whoever_made_them(name: str) -> None:
    with pytest.raises(ValueError, match="several jobs are called one"):
        open_launcher(name).run([Job("one", print), Job("one", print)])


def test_every_launcher_can_be_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: package)
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    opened: Callable[[str], object] = lambda name: open_launcher(name, 2)  # noqa: E731
    assert len({type(opened(name)) for name in LAUNCHERS.names()}) == 4


def test_jobs_are_not_launched_from_one_of_several_processes_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert isinstance(open_launcher("in_process"), InProcess)
    with pytest.raises(UsageError, match="one of 2 processes of torchrun"):
        open_launcher("processes", 2)
