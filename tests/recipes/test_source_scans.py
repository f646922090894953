from collections.abc import Callable
from pathlib import Path

import pytest

from seg.errors import DataError
from seg.overrides import resolve
from seg.recipes.prepare import _quiet
from seg.recipes.scans_place import settings_in_place
from seg.recipes.source import find_origin, find_origins
from seg.recipes.source_scans import source_cases
from seg.recipes.trained import read_plan
from seg.runs import Run


def test_only_training_scans_of_a_source_are_used(finished):
    plan, split = read_plan(finished), (finished.folder / "split.json").read_text()
    cases = source_cases([find_origin(str(finished.folder), finished.folder)], plan, finished.settings(), _quiet)
    trained = finished.manifest().data["patients"]["train"]
    assert len({case.patient for case in cases}) == trained
    assert all(f'"{case.patient}"' in split for case in cases)


def test_every_source_gives_its_scans(finished, copy_run, tmp_path):
    copy_run(finished, tmp_path / "again")
    settings = resolve([f"runs.folder={tmp_path}", f"transfer.source={finished.folder},again"])
    one, both = (source_cases(find_origins(settings)[:n], read_plan(finished), settings, _quiet) for n in (1, 2))
    assert [case.name for case in both] == [case.name for case in one] * 2


def _elsewhere(run: Run, copy_run: Callable[..., Run], folder: Path, said: str, **data: object) -> Run:
    """The run with a root of its own, whose manifest says these things of the data too."""
    copy = copy_run(run, folder, data={**run.manifest().data, **data})
    text = (copy.folder / "config.yaml").read_text()
    (copy.folder / "config.yaml").unlink()
    (copy.folder / "config.yaml").write_text(text.replace(run.settings().data.root, said))
    return copy


def test_scans_of_a_source_that_are_gone_are_named_as_the_source_s(finished, copy_run, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    run = _elsewhere(finished, copy_run, tmp_path / "lost", nowhere, root=nowhere, root_from_run="../gone")
    with pytest.raises(DataError, match="scans of the source lost"):
        source_cases([find_origin("lost", tmp_path)], read_plan(run), run.settings(), _quiet)


def test_other_scans_of_the_same_names_are_not_taken_for_the_sources(finished, copy_run, tmp_path):
    hashes = {**finished.manifest().data["case_sha256"]}
    first = min(hashes)
    run = copy_run(finished, tmp_path / "moved", data={**finished.manifest().data, "case_sha256": {first: "0" * 64}})
    with pytest.raises(DataError, match=first) as refused:
        source_cases([find_origin("moved", tmp_path)], read_plan(run), run.settings(), _quiet)
    assert refused.value.code == "source-data"


def test_a_relative_root_is_meant_from_where_the_training_ran(finished, copy_run, tmp_path):
    root = Path(finished.settings().data.root)
    run = _elsewhere(finished, copy_run, tmp_path / "runs" / "relative", root.name)
    assert settings_in_place(run).data.root == str(root)


def test_scans_that_moved_together_with_the_run_are_found(finished, copy_run, tmp_path):
    scans, gone = tmp_path / "scans", str(tmp_path / "gone")
    scans.mkdir()
    said = {"root": gone, "root_from_run": "../../scans"}
    run = _elsewhere(finished, copy_run, tmp_path / "runs" / "moved", "scans", **said)
    assert Path(settings_in_place(run).data.root).resolve() == scans
    absolute = _elsewhere(finished, copy_run, tmp_path / "runs" / "absolute", gone, **said)
    assert Path(settings_in_place(absolute).data.root).resolve() == scans


def test_a_run_that_says_neither_is_read_from_the_current_folder(finished, copy_run, tmp_path):
    run = _elsewhere(finished, copy_run, tmp_path / "old", "scans", root=str(tmp_path / "gone"))
    run.change_manifest(data={key: value for key, value in run.manifest().data.items() if key != "root_from_run"})
    assert settings_in_place(run).data.root == "scans"
    Path("scans").mkdir()
    assert settings_in_place(run).data.root == "scans"


def test_a_new_run_knows_the_way_to_its_scans(finished):
    way = finished.manifest().data["root_from_run"]
    assert not Path(way).is_absolute()
    assert (finished.folder / way).resolve() == Path(finished.settings().data.root).resolve()
