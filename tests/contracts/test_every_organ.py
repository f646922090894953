"""Every shipped organ and preset, so that a new file is tested without a new test."""

import re

import pytest

from seg.config import config_folder
from seg.overrides import config_names, load_organ, resolve


@pytest.mark.parametrize("name", config_names("organ"))
def test_an_organ_loads_and_says_what_it_is(name):
    organ = load_organ(name)
    assert organ.name == name
    assert organ.title
    assert organ.label_names
    low, high = organ.window_hu
    assert -1024 <= low < high <= 3071
    assert resolve([f"organ={name}"]).organ == (name,)


@pytest.mark.parametrize("name", config_names("organ"))
def test_label_names_are_written_as_they_are_compared(name):
    organ = load_organ(name)
    names = [*organ.label_names, *organ.joined_names]
    assert [label for label in names if not re.fullmatch(r"[a-z0-9_]+", label)] == []
    assert len(set(names)) == len(names)


def test_no_label_name_belongs_to_two_organs():
    names = [label for name in config_names("organ") for label in load_organ(name).label_names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", config_names("preset"))
def test_a_preset_resolves_and_decides_how_long_to_train(name):
    settings = resolve([f"preset={name}"])
    assert settings.preset == name
    assert settings.train.steps


@pytest.mark.parametrize("path", sorted(config_folder().glob("*/*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_file_opens_with_its_command(path):
    assert re.match(rf"# seg \w+ .*{path.stem}", path.read_text(encoding="utf-8"))
