import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from seg.config import Settings
from seg.errors import CheckpointError, ResourceError, SegError, UsageError
from seg.lock import held
from seg.overrides import resolve
from seg.recipes import opening
from seg.recipes.components import with_knobs
from seg.recipes.opening import differences, is_unbegun, opened
from seg.recipes.unfinished import newest_unfinished
from seg.runs import Run, new_manifest

QUIET = Console(quiet=True)


def _settings(*words: str) -> Settings:
    return resolve(["organ=liver", "runs.folder=runs", *words])


def _begun(settings: Settings, state: str = "running") -> Run:
    """A run that was begun with these settings and left in this state."""
    with opened(settings, None, QUIET, new=not settings.runs.name) as (run, resumed):
        assert not resumed
        run.write_manifest(new_manifest(run, "train", settings))
        run.change_manifest(state=state)
    return run


def _said(settings: Settings, **given: bool) -> tuple[Run, bool, str]:
    text = io.StringIO()
    with opened(settings, None, Console(file=text, width=300), **given) as (run, resumed):
        run.write_manifest(new_manifest(run, "train", settings))
    return run, resumed, text.getvalue()


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_the_same_command_goes_on_with_what_it_began_and_says_how_to_begin_anew(state: str) -> None:
    begun = _begun(_settings(), state)
    run, resumed, said = _said(_settings())
    assert (run, resumed) == (begun, True)
    assert said == f"Going on with {begun.folder}, which the same command began; --new starts anew.\n"


def test_the_newest_of_several_goes_on() -> None:
    for name in ("liver-20260101-000000", "liver-20260301-000000", "liver-20260201-000000"):
        run = _begun(_settings(f"runs.name={name}"), "interrupted")
        run.write_settings(_settings())
        (run.folder / "asked.yaml").unlink()
    assert _said(_settings())[0].name == "liver-20260301-000000"


@pytest.mark.parametrize(
    ("words", "state", "new"), [((), "finished", False), (("optim.lr=1e-5",), "running", False), ((), "running", True)]
)
def test_what_is_finished_or_has_other_settings_stays_and_a_new_run_is_made(words, state: str, new: bool) -> None:
    begun = _begun(_settings(), state)
    run, resumed, said = _said(_settings(*words), new=new)
    assert (run != begun, resumed, said) == (True, False, "")


def test_settings_that_the_data_changed_are_compared_as_they_were_asked_for() -> None:
    run = _begun(_settings("runs.name=a"))
    run.write_settings(_settings("runs.name=a", "train.steps=77"))
    assert differences(run, _settings("runs.name=a")) == {}
    assert differences(run, _settings("runs.name=a", "train.steps=77")) == {"train.steps": ("800", "77")}
    assert run.settings().train.steps == 77


def test_the_same_command_beside_one_at_work_makes_a_run_of_its_own() -> None:
    begun = _begun(_settings())
    with held(begun.folder):
        run, resumed, said = _said(_settings())
    assert (run != begun, resumed) == (True, False)
    assert said.startswith(f"The same command is at work in {begun.folder} (process {os.getpid()} on ")


def test_a_named_unfinished_run_goes_on_with_the_same_settings_alone() -> None:
    begun = _begun(with_knobs(_settings("runs.name=a", "strategy=l2sp", "l2sp.weight=0.1")), "interrupted")
    run, resumed, said = _said(_settings("runs.name=a", "strategy=l2sp", "l2sp.weight=0.1"))
    assert (run, resumed, "another runs.name starts anew" in said) == (begun, True, True)
    with pytest.raises(UsageError) as refused:
        _said(_settings("runs.name=a", "strategy=l2sp", "l2sp.weight=0.2", "train.steps=9"))
    assert refused.value.code == "run-exists"
    assert "(train.steps=800, now 9; l2sp.weight=0.1, now 0.2)" in refused.value.found
    assert f"seg train --resume {begun.folder}" in refused.value.fix
    with pytest.raises(UsageError, match="leave --new out"):
        _said(_settings("runs.name=a", "strategy=l2sp", "l2sp.weight=0.1"), new=True)


def test_many_differing_settings_are_counted() -> None:
    _begun(_settings("runs.name=a"))
    words = [f"augment.{name}=0.01" for name in ("scale", "shift", "brightness", "contrast", "gamma", "noise", "blur")]
    with pytest.raises(UsageError, match="and 2 more"):
        _said(_settings("runs.name=a", *words, "optim.lr=1e-5", "train.steps=9", "train.seed=1"))


def test_a_finished_run_keeps_its_name() -> None:
    _begun(_settings("runs.name=a"), "finished")
    with pytest.raises(UsageError, match="a finished run of that name") as refused:
        _said(_settings("runs.name=a"))
    assert (refused.value.code, refused.value.path) == ("run-exists", "runs/a")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_run_keeps_its_name_and_is_left_as_it_is(kind: str) -> None:
    place = Path("runs", "a")
    place.parent.mkdir()
    if kind == "file":
        place.write_text("x")
    else:
        place.mkdir()
        (place / "letter.txt").write_text("x")
    with pytest.raises(UsageError, match=f"a {kind} of that name, which is no run"):
        _said(_settings("runs.name=a"))
    assert kind == "file" or [path.name for path in place.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("name", ["", "a"])
def test_of_a_run_that_was_not_begun_nothing_stays(name: str) -> None:
    def fail() -> None:
        with opened(_settings(f"runs.name={name}"), None, QUIET) as (run, _):
            (run.folder / "plan.json").touch()
            raise CheckpointError(found="", expected="", fix="")

    with pytest.raises(CheckpointError):
        fail()
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["", "a"])
def test_what_a_killed_process_left_before_it_began_is_begun_again(name: str) -> None:
    settings = _settings(f"runs.name={name}")

    def begin() -> None:
        with opened(settings, None, QUIET) as (run, _):
            (run.folder / "plan.json").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    dead = _child(begin)
    os.waitpid(dead, 0)
    (folder,) = Path("runs").iterdir()
    run, resumed, said = _said(settings)
    assert (run.folder, resumed) == (folder, False)
    assert said == f"Taken over from dead process {dead} on {os.uname().nodename}: {folder}\n"
    assert not is_unbegun(run)


def test_a_killed_holder_is_named_when_its_run_goes_on() -> None:
    begun = _begun(_settings())

    def hold() -> None:
        with opened(_settings(), None, QUIET):
            os.kill(os.getpid(), signal.SIGKILL)

    dead = _child(hold)
    os.waitpid(dead, 0)
    for words in ("", "now and never again"):
        _, _, said = _said(_settings())
        assert (f"Taken over from dead process {dead} on" in said) == (words == "")
        assert f"Going on with {begun.folder}" in said


def _child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        try:
            work()
        finally:
            os._exit(0)
    return child


def _race(opening: Callable[[], AbstractContextManager[object]], count: int) -> list[str]:
    """What `count` forked processes say that open a run at the same moment: `held` or an error's words."""
    (start, go), (answers, answer) = os.pipe(), os.pipe()

    def run() -> None:
        os.close(go)
        os.read(start, 1)
        began = time.monotonic()
        try:
            with opening():
                os.write(answer, b"held\n")
                signal.pause()
        except SegError as error:
            took = "quickly" if time.monotonic() - began < 2 else "slowly"
            os.write(answer, f"{type(error).__name__} {took}: {error}\n".encode())

    children = [_child(run) for _ in range(count)]
    os.close(go)
    said = b""
    try:
        while said.count(b"\n") < count:
            said += os.read(answers, 65536)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return said.decode().splitlines()


@pytest.mark.parametrize(("state", "count"), [("new", 6), ("begun", 20), ("resumed", 6)])
def test_of_many_starts_at_once_one_wins_and_the_others_name_it(state: str, count: int) -> None:
    settings = _settings("runs.name=a")
    begun = None if state == "new" else _begun(settings, "interrupted")

    said = _race(lambda: opened(settings, begun if state == "resumed" else None, QUIET), count)
    assert said.count("held") == 1
    losers = [line for line in said if line != "held"]
    assert all(line.startswith("ResourceError quickly: runs/a: found the run in use by process ") for line in losers)
    assert all(f" on {os.uname().nodename}" in line for line in losers)
    assert len({line.partition("in use by ")[2] for line in losers}) == 1


def test_starts_without_a_name_get_runs_of_their_own() -> None:
    assert _race(lambda: opened(_settings(), None, QUIET, new=True), 4) == ["held"] * 4
    assert len(list(Path("runs").iterdir())) == 4


@pytest.mark.parametrize(("words", "place"), [(("runs.folder=file",), "file"), (("runs.folder=file/runs",), "file")])
def test_a_file_where_the_runs_should_be_is_said(words: tuple[str, ...], place: str) -> None:
    Path(place).write_text("x")
    with pytest.raises(ResourceError) as refused:
        _said(_settings(*words))
    assert refused.value.code == "cannot-write"


def test_a_run_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = _begun(_settings(), "interrupted")

    def read_only(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", read_only)
    with pytest.raises(ResourceError, match="Read-only file system") as refused, opened(_settings(), begun, QUIET):
        pass
    assert refused.value.path == str(begun.folder)


def test_resuming_without_a_name_takes_the_run_that_was_begun_last() -> None:
    states = {"a": "interrupted", "b": "running", "c": "failed", "d": "finished"}
    runs = {name: _begun(_settings(f"runs.name={name}"), state) for name, state in states.items()}
    (Path("runs", "e")).mkdir()
    Path("runs", "e", "manifest.json").write_text("{")
    assert newest_unfinished(Path("runs")) == runs["c"]
    with held(runs["c"].folder):
        assert newest_unfinished(Path("runs")) == runs["b"]


def test_with_nothing_to_go_on_with_the_runs_there_are_named() -> None:
    with pytest.raises(CheckpointError, match="nothing to go on with: no run") as refused:
        newest_unfinished(Path("runs"))
    assert refused.value.code == "nothing-unfinished"
    _begun(_settings("runs.name=a"), "finished")
    b = _begun(_settings("runs.name=b"), "running")
    with held(b.folder), pytest.raises(CheckpointError, match=r"b \(in use by process \d+ on .*\), a \(finished\)"):
        newest_unfinished(Path("runs"))


def test_a_run_that_began_while_its_lock_was_waited_for_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, begun = _settings("runs.name=a"), []
    Path("runs", "a").mkdir(parents=True)

    @contextmanager
    def late(folder: Path) -> Iterator[str]:
        with held(folder):
            begun.append(new_manifest(Run(folder), "train", settings))
            Run(folder).write_settings(settings)
            Run(folder).write_manifest(begun[0])
        yield ""

    monkeypatch.setattr(opening, "held", late)
    with opened(settings, None, QUIET) as (run, resumed):
        assert resumed
    assert run.manifest() == begun[0]


def test_a_run_whose_manifest_is_broken_is_left_alone() -> None:
    begun = _begun(_settings())
    (begun.folder / "manifest.json").write_text("{")
    assert _said(_settings())[0] != begun
