import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from seg.errors import UsageError
from seg.registry import EXTENSION_POINTS, FORMATS, METRICS

ATTRIBUTES = {"format": "LAYOUT", "metric": "METRIC", "loss": "LOSS", "component": "COMPONENT", "measure": "MEASURE"}
ATTRIBUTES |= {"launcher": "LAUNCHER"}
every_point = pytest.mark.parametrize("point", EXTENSION_POINTS, ids=lambda point: point.kind)


@every_point
def test_a_registered_name_is_its_files_name(point):
    package = importlib.import_module(point.package)
    files = {path.stem for path in Path(package.__path__[0]).glob("*.py") if not path.name.startswith("_")}
    assert set(point.names()) == files - {point.base}
    for name in point.names():
        assert Path(point.load(name).__file__).stem == name


@every_point
def test_every_component_offers_the_one_attribute_of_its_kind(point):
    attribute = ATTRIBUTES[point.kind]
    for name in point.names():
        assert attribute in vars(point.load(name)), f"{point.package}.{name} has no {attribute}"


@every_point
def test_names_are_sorted_and_leave_the_contract_out(point):
    assert list(point.names()) == sorted(point.names())
    assert point.base not in point.names()


def test_all_five_layouts_are_registered():
    assert set(FORMATS.names()) >= {"decathlon", "nifti", "nnunet", "pictures", "totalsegmentator"}


def test_an_unknown_name_gets_the_nearest_known_one():
    with pytest.raises(UsageError, match="Did you mean 'nnunet'") as caught:
        FORMATS.load("nnunt")
    assert caught.value.code == "unknown-format"
    assert "totalsegmentator" in caught.value.expected


@pytest.mark.parametrize("name", ["layout", "../organs", "os", "", "pictures.LAYOUT", "_hidden"])
def test_nothing_but_a_component_can_be_loaded(name):
    with pytest.raises(UsageError):
        FORMATS.load(name)


def test_names_are_listed_without_importing_a_component():
    code = (
        "import sys; from seg.registry import EXTENSION_POINTS\n"
        "assert all(point.names() for point in EXTENSION_POINTS)\n"
        "packages = tuple(p.package + '.' for p in EXTENSION_POINTS)\n"
        "assert not [name for name in sys.modules if name.startswith(packages)]\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_metrics_know_their_contract_file():
    assert "masks" not in METRICS.names()
