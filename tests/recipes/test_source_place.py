import shutil
from pathlib import Path

import pytest

from seg.errors import CheckpointError
from seg.overrides import resolve
from seg.recipes.source import find_origins
from seg.recipes.source_place import refuse_other_source, with_sources_in_place
from seg.runs import Run


def _going_on(run: Run, source: object) -> tuple[str, ...]:
    return with_sources_in_place(run, resolve([f"transfer.source={source}"])).transfer.source


def test_a_source_that_is_where_it_was_stays_there(finished: Run, tmp_path: Path) -> None:
    for word in ("imagenet", "none", "liver", str(finished.folder), str(finished.last)):
        assert _going_on(Run(tmp_path / "run"), word) == (word,)


def test_sources_that_moved_together_with_the_run_are_found_beside_it(finished: Run, tmp_path: Path) -> None:
    runs, old = tmp_path / "new", tmp_path / "old"
    shutil.copytree(finished.folder, runs / "both")
    shutil.copy(finished.model, runs / "mine.pth")
    run = Run(runs / "run")
    assert _going_on(run, old / "both") == (str(runs / "both"),)
    assert _going_on(run, old / "both" / "last.safetensors") == (str(runs / "both" / "last.safetensors"),)
    assert _going_on(run, old / "mine.pth") == (str(runs / "mine.pth"),)


def test_a_source_that_is_gone_is_named_with_both_places_it_may_be_put_to(tmp_path: Path) -> None:
    run, gone = Run(tmp_path / "runs" / "run"), tmp_path / "old" / "liver-1"
    with pytest.raises(CheckpointError) as refused:
        _going_on(run, gone)
    assert refused.value.code == "source-gone"
    assert str(gone) in refused.value.found
    assert str(tmp_path / "runs" / "liver-1") in refused.value.fix


def test_a_source_that_was_trained_again_is_no_start_to_go_on_from(finished: Run, copy_run, tmp_path: Path) -> None:
    origins = find_origins(resolve([f"transfer.source={finished.folder}"]))
    same = copy_run(finished, tmp_path / "same", lineage={"sha256": finished.manifest().results["model_sha256"]})
    refuse_other_source(same, origins)
    refuse_other_source(copy_run(finished, tmp_path / "old", lineage={}), origins)
    refuse_other_source(same, find_origins(resolve(["transfer.source=none"])))
    other = copy_run(finished, tmp_path / "other", lineage={"sha256": "0" * 64})
    with pytest.raises(CheckpointError) as refused:
        refuse_other_source(other, origins)
    assert refused.value.code == "source-changed"
