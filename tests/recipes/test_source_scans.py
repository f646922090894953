import pytest

from seg.errors import DataError
from seg.recipes.prepare import _quiet
from seg.recipes.source import find_origin
from seg.recipes.source_scans import source_cases
from seg.recipes.trained import read_plan


def test_only_training_scans_of_a_source_are_used(finished):
    plan, split = read_plan(finished), (finished.folder / "split.json").read_text()
    cases = source_cases([find_origin(str(finished.folder), finished.folder)], plan, finished.settings(), _quiet)
    trained = finished.manifest().data["patients"]["train"]
    assert len({case.patient for case in cases}) == trained
    assert all(f'"{case.patient}"' in split for case in cases)


def test_scans_of_a_source_that_are_gone_are_named_as_the_source_s(finished, copy_run, tmp_path):
    run = copy_run(finished, tmp_path / "lost")
    text = (run.folder / "config.yaml").read_text()
    (run.folder / "config.yaml").unlink()
    root = finished.settings().data.root
    (run.folder / "config.yaml").write_text(text.replace(root, str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match="scans of the source lost"):
        source_cases([find_origin("lost", tmp_path)], read_plan(run), run.settings(), _quiet)
