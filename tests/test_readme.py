import importlib.util
import re
from pathlib import Path

import pytest

from seg.completion import VERBS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def _generator():
    specification = importlib.util.spec_from_file_location("readme_tables", ROOT / "scripts" / "readme_tables.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_generated_tables_are_what_seg_list_says():
    assert _generator().rendered(TEXT) == TEXT, "run: python scripts/readme_tables.py"
    assert TEXT.count("<!-- generated: ") == 5


def test_a_table_that_lags_behind_is_noticed():
    stale = TEXT.replace("| `liver` |", "| `lvr` |")
    assert stale != TEXT
    assert _generator().rendered(stale) == TEXT


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_line(verb):
    assert f"| `seg {verb}" in TEXT


def test_the_tree_shows_every_room():
    tree = TEXT.partition("```\nseg/\n")[2].partition("```")[0]
    shown = set(re.findall(r"^  (\S+)", tree, re.MULTILINE))
    rooms = {path.name for path in (ROOT / "seg").glob("*.py") if not path.name.startswith("__")}
    rooms |= {f"{path.parent.name}/" for path in (ROOT / "seg").glob("*/__init__.py")}
    assert shown == rooms


def test_files_that_are_named_exist():
    named = re.findall(r"`((?:scripts|docs|tests|seg|configs)/[\w./-]+)`", TEXT) + re.findall(r"\]\(([\w./]+)\)", TEXT)
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists() and Path(name).stem != "x"] == []
