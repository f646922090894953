from pathlib import Path

import pytest

from seg.config import Settings
from seg.digest import file_sha256
from seg.errors import DataError
from seg.lock import held
from seg.overrides import resolve
from seg.recipes import earlier
from seg.recipes.earlier import changed, find_earlier, run_name
from seg.recipes.source import Origin
from seg.runs import Run, create_run, new_manifest


@pytest.fixture
def start(tmp_path: Path) -> Origin:
    file = tmp_path / "start.safetensors"
    file.write_bytes(b"weights")
    return Origin(str(file), file=file)


@pytest.fixture
def made(start: Origin, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An interrupted run named `hop`, whose data are as they were."""
    monkeypatch.setattr(earlier, "refuse_other_data", lambda run, prepared: None)
    run = create_run(_settings())
    run.write_settings(_settings())
    lineage = {"sha256": file_sha256(Path(start.word))}
    run.write_manifest(new_manifest(run, "train", _settings()))
    run.change_manifest(lineage=lineage)
    return run


def _settings(*words: str) -> Settings:
    return resolve(["runs.folder=runs", "runs.name=hop", *words])


def _found(settings: Settings, start: Origin) -> tuple[str, str | None]:
    named, run = find_earlier(settings, [start], lambda: None)
    return named.runs.name, None if run is None else run.name


def test_a_run_of_the_same_settings_start_and_data_is_found(made: Run, start: Origin) -> None:
    assert _found(_settings(), start) == ("hop", "hop")
    assert _found(_settings("runs.name=other"), start) == ("other", None)


def test_a_run_of_other_settings_is_left_alone(made: Run, start: Origin) -> None:
    assert _found(_settings("optim.lr=1e-5"), start) == ("hop-2", None)


def test_a_number_is_found_again(made: Run, start: Origin) -> None:
    second = create_run(_settings("optim.lr=1e-5", "runs.name=hop-2"))
    second.write_settings(_settings("optim.lr=1e-5", "runs.name=hop-2"))
    second.write_manifest(new_manifest(second, "train", second.settings()))
    second.change_manifest(lineage=made.manifest().lineage)
    assert _found(_settings("optim.lr=1e-5"), start) == ("hop-2", "hop-2")


def test_a_run_from_a_start_that_changed_is_left_alone(made: Run, start: Origin) -> None:
    Path(start.word).write_bytes(b"other weights")
    assert _found(_settings(), start) == ("hop-2", None)


def test_a_run_of_other_data_is_left_alone(made: Run, start: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: Run, prepared: object) -> None:
        raise DataError(found="", expected="", fix="", code="resume-data")

    monkeypatch.setattr(earlier, "refuse_other_data", refuse)
    assert _found(_settings(), start) == ("hop-2", None)


def test_a_folder_that_is_no_run_is_left_alone(made: Run, start: Origin) -> None:
    (made.folder / "manifest.json").unlink()
    (made.folder / "letter.txt").touch()
    assert _found(_settings(), start) == ("hop-2", None)


def test_what_a_process_left_that_was_killed_before_it_began_is_free(made: Run, start: Origin) -> None:
    (made.folder / "manifest.json").unlink()
    assert _found(_settings(), start) == ("hop", None)


def test_a_start_without_a_file_is_not_compared(made: Run) -> None:
    named, run = find_earlier(_settings(), [Origin("imagenet")], lambda: None)
    assert (named.runs.name, run) == ("hop", made)


def test_a_run_that_another_process_is_at_work_in_is_left_alone(made: Run, start: Origin) -> None:
    with held(made.folder):
        assert _found(_settings(), start) == ("hop-2", None)
    assert _found(_settings(), start) == ("hop", "hop")


def test_some_settings_are_changed_and_the_others_stay() -> None:
    before = _settings("optim.lr=1e-5")
    after = changed(before, train={"steps": 7}, runs={"name": "new"})
    assert (after.train.steps, after.runs.name, after.runs.folder, after.optim) == (7, "new", "runs", before.optim)
    assert before.train.steps != 7


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("pancreas", "via", "spleen"), "pancreas-via-spleen"),
        (("t", "from", "my weights (2).pth"), "t-from-my_weights__2_.pth"),
        ((".hidden", "via", "Ä"), "hidden-via-_"),
        (("x" * 200, "via"), "x" * 90),
    ],
)
def test_a_runs_name_is_a_folders_name_whatever_it_is_made_of(words: tuple[str, ...], name: str) -> None:
    assert run_name(*words) == name
    assert resolve([f"runs.name={name}"]).runs.name == name
