import os
from pathlib import Path

import pytest

from seg.errors import CheckpointError
from seg.recipes.source import find_origin


def _refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as refused:
        find_origin(str(folder), Path("runs"))
    assert refused.value.code == "source-folder"
    return refused.value


def test_weights_in_a_folder_are_named_with_the_option_that_takes_them(tmp_path):
    for name in ("b.pth", "a.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    error = _refused(tmp_path)
    assert error.found == "files of weights (a.safetensors, b.pth), but no run"
    assert error.fix == f"name the file: --from {tmp_path / 'a.safetensors'}"


def test_runs_in_a_folder_are_named(finished, copy_run, tmp_path):
    for number in range(7):
        copy_run(finished, tmp_path / f"run-{number}")
    error = _refused(tmp_path)
    assert error.found == "the runs run-0, run-1, run-2, run-3, run-4 and 2 more, but no run"
    assert error.fix == f"name one: --from {tmp_path / 'run-6'}"


def test_a_part_of_a_run_leads_to_the_run(finished):
    error = _refused(finished.checkpoints)
    assert (error.found, error.fix) == ("a part of the run both, but no run", f"name the run: --from {finished.folder}")


def test_scans_are_no_source_but_what_one_is_trained_on(phantoms):
    error = _refused(phantoms)
    assert error.found == "scans (decathlon), but no run"
    assert f"seg train organ=ORGAN data.root={phantoms}" in error.fix


def test_an_empty_folder_and_one_of_other_things_say_so(tmp_path):
    assert "an empty folder" in _refused(tmp_path).found
    os.mkdir(tmp_path / "letters")
    assert "letters/" in _refused(tmp_path).found
