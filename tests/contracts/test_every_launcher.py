"""What every launcher must keep to; what it does with jobs is tested beside it, where its extra is installed."""

import tomllib
from pathlib import Path

import pytest

from seg.errors import UsageError
from seg.launch.launcher import HERE, Launcher, open_launcher
from seg.registry import LAUNCHERS

ROOT = Path(__file__).parents[2]
every_launcher = pytest.mark.parametrize("name", LAUNCHERS.names())


@every_launcher
def test_it_says_what_it_is_and_names_an_extra_that_there_is(name):
    info = LAUNCHERS.load(name).LAUNCHER
    assert info.name == name
    assert all((info.title, info.looks_like))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not info.extra or extras[info.extra]


@every_launcher
def test_it_opens_or_says_what_is_missing(name, tmp_path):
    found, missing = None, ""
    try:
        found = open_launcher(name, 2, tmp_path)
    except UsageError as error:
        missing = error.code
    if LAUNCHERS.load(name).LAUNCHER.extra:
        assert isinstance(found, Launcher) or missing in ("missing-package", "no-slurm")
    else:
        assert isinstance(found, Launcher)
    assert not any(tmp_path.iterdir())


@every_launcher
def test_it_has_a_test_of_its_own(name):
    assert (ROOT / "tests" / "launch" / "launchers" / f"test_{name}.py").exists()


def test_the_one_that_needs_nothing_is_there():
    assert HERE in LAUNCHERS.names()
