from dataclasses import replace
from pathlib import Path

import pytest

from seg.errors import CheckpointError, DataError, UsageError
from seg.overrides import resolve
from seg.recipes.prepare import _quiet
from seg.recipes.source import find_origin, find_origins
from seg.recipes.source_scans import source_cases
from seg.recipes.start import start_network, taken_over
from seg.recipes.trained import read_plan
from seg.runs import Run


def _copy(run: Run, folder: Path, **changes: object) -> Run:
    """A run that shares the model of `run` and has a manifest of its own."""
    folder.mkdir()
    for name in ("config.yaml", "plan.json", "split.json", "model.safetensors"):
        (folder / name).symlink_to(run.folder / name)
    copy = Run(folder)
    copy.write_manifest(replace(run.manifest(), **changes))
    return copy


def test_words_files_runs_and_organs_are_told_apart(finished):
    runs = finished.folder.parent
    assert find_origin("none", runs).file is None
    assert find_origin(str(finished.model), runs).run is None
    assert find_origin("both", runs).run == find_origin("spleen", runs).run == finished
    assert find_origin("both", runs).organs == ("liver", "spleen")


def test_an_unfinished_run_is_no_source(finished, tmp_path):
    _copy(finished, tmp_path / "half", state="interrupted")
    with pytest.raises(CheckpointError, match="not finished") as refused:
        find_origin("half", tmp_path)
    assert refused.value.code == "source-unfinished"


def test_a_broken_neighbour_does_not_hide_a_mistyped_source(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="no run 'livr'"):
        find_origin("livr", tmp_path)


def test_several_sources_have_to_show_the_same_organs(finished, tmp_path):
    words = [f"runs.folder={tmp_path}", f"transfer.source={finished.folder},none"]
    with pytest.raises(UsageError, match="the sources"):
        find_origins(resolve(words))


def test_the_network_is_the_source_s(finished):
    shared = taken_over(find_origin(str(finished.folder), Path("runs")))
    assert shared["model"]["encoder"] == "resnet18"
    assert shared["model"]["decoder_channels"] == [32, 16, 16, 8, 8]
    assert taken_over(find_origin("none", Path("runs"))) == {"model": {"weights": "none"}}


def test_a_source_whose_model_changed_is_refused(finished, tmp_path):
    results = {**finished.manifest().results, "model_sha256": "0" * 64}
    _copy(finished, tmp_path / "changed", results=results)
    settings = resolve(["organ=liver"], source=taken_over(find_origin("changed", tmp_path)))
    with pytest.raises(CheckpointError) as refused:
        start_network(settings, read_plan(finished), [find_origin("changed", tmp_path)])
    assert refused.value.code == "model-changed"


def test_only_training_scans_of_a_source_are_used(finished):
    plan, split = read_plan(finished), (finished.folder / "split.json").read_text()
    cases = source_cases([find_origin(str(finished.folder), Path("runs"))], plan, finished.settings(), _quiet)
    trained = finished.manifest().data["patients"]["train"]
    assert len({case.patient for case in cases}) == trained
    assert all(f'"{case.patient}"' in split for case in cases)


def test_scans_of_a_source_that_are_gone_are_named_as_the_source_s(finished, tmp_path):
    run = _copy(finished, tmp_path / "lost")
    text = (run.folder / "config.yaml").read_text()
    (run.folder / "config.yaml").unlink()
    root = finished.settings().data.root
    (run.folder / "config.yaml").write_text(text.replace(root, str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match="scans of the source lost"):
        source_cases([find_origin("lost", tmp_path)], read_plan(run), run.settings(), _quiet)
