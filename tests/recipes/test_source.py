import os
from pathlib import Path

import pytest
import torch

from seg.errors import CheckpointError, UsageError
from seg.overrides import resolve
from seg.recipes.source import find_origin, find_origins, source_model
from seg.train.tensor_file import write_tensors


def test_words_files_runs_and_organs_are_told_apart(finished):
    runs = finished.folder.parent
    assert find_origin("none", runs).file is None
    assert find_origin("both", runs).run == find_origin("spleen", runs).run == finished
    assert find_origin("both", runs).organs == ("liver", "spleen")


def test_a_runs_own_file_is_the_run_with_that_file(finished, tmp_path):
    runs = finished.folder.parent
    best, last = (find_origin(str(file), runs) for file in (finished.model, finished.last))
    assert (best.run, best.file, best.organs) == (finished, finished.model, ("liver", "spleen"))
    assert (last.run, last.file, last.organs) == (finished, finished.last, ("liver", "spleen"))
    assert (best.place, last.place) == (str(finished.folder), str(finished.last))
    assert find_origin("both", runs).place == str(finished.folder)
    for name, folder in (("model.safetensors", tmp_path), ("mine.safetensors", finished.folder.parent)):
        os.symlink(finished.model, folder / name)
        alone = find_origin(str(folder / name), runs)
        assert (alone.run, alone.organs, alone.place) == (None, (), str(folder / name))


def test_a_file_beside_some_other_manifest_is_no_run(finished, tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "an app"}')
    os.symlink(finished.model, tmp_path / "model.safetensors")
    assert find_origin(str(tmp_path / "model.safetensors"), tmp_path).run is None


def test_the_source_model_is_the_file_that_was_named(finished, copy_run, tmp_path):
    run = copy_run(finished, tmp_path / "copy")
    run.last.unlink()
    tensors = source_model([find_origin(str(run.model), tmp_path)]).load().state_dict()
    write_tensors(run.last, {**tensors, "input_mean": torch.full_like(tensors["input_mean"], 7)})
    assert float(source_model([find_origin(str(run.last), tmp_path)]).load().input_mean.mean()) == 7
    assert float(source_model([find_origin("copy", tmp_path)]).load().input_mean.mean()) != 7
    assert source_model([find_origin("none", tmp_path)]) is None


def test_an_unfinished_run_is_a_source_by_its_file_alone(finished, copy_run, tmp_path):
    half = copy_run(finished, tmp_path / "half", state="interrupted")
    with pytest.raises(CheckpointError, match="not finished") as refused:
        find_origin("half", tmp_path)
    assert refused.value.code == "source-unfinished"
    assert refused.value.fix.endswith(f"--from {half.model}")
    assert find_origin(str(half.model), tmp_path).run == half


def test_a_broken_neighbour_does_not_hide_a_mistyped_source(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="no run 'livr'"):
        find_origin("livr", tmp_path)


def test_a_folder_named_like_an_organ_does_not_hide_the_organs_best_run(finished):
    Path("spleen").mkdir()
    assert find_origin("spleen", finished.folder.parent).run == finished


def test_several_sources_have_to_show_the_same_organs(finished, tmp_path):
    words = [f"runs.folder={tmp_path}", f"transfer.source={finished.folder},none"]
    with pytest.raises(UsageError, match="the sources"):
        find_origins(resolve(words))
