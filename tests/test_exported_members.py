import importlib
import inspect

import pytest

import seg
from seg import api


def test_the_public_names_are_few():
    assert len(seg.__all__) <= 15
    assert sorted(seg.__all__) == seg.__all__


@pytest.mark.parametrize("name", [name for name in seg.__all__ if name != "SegError"])
def test_a_public_function_explains_itself_by_example(name):
    function = vars(seg)[name]
    assert function is vars(api)[name]
    assert f"seg.{name}(" in (inspect.getdoc(function) or "")


@pytest.mark.parametrize("package", ["train", "evaluate", "report"])
def test_a_verb_stays_a_function_when_the_package_of_its_name_is_imported(package):
    module = importlib.import_module(f"seg.{package}")
    importlib.import_module(f"seg.{package}.{ {'train': 'log', 'evaluate': 'score', 'report': 'page'}[package] }")
    assert inspect.ismodule(module)
    assert inspect.isfunction(vars(seg)[package])


@pytest.mark.parametrize(
    "package",
    [
        "data",
        "data.formats",
        "evaluate",
        "evaluate.metrics",
        "losses",
        "models",
        "recipes",
        "report",
        "train",
        "transfer",
    ],
)
def test_every_package_says_what_it_is_for(package):
    assert (importlib.import_module(f"seg.{package}").__doc__ or "").strip()
