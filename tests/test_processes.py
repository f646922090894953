"""A command in several processes: one voice, one error, one exit code."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seg import api
from seg.cli import main
from seg.errors import DataError
from seg.processes import ignore_launcher, leads, process_count, process_number, several
from seg.recipes.listing import Table

SideBySide = Callable[..., list[Any]]


def _run(folder: Path, words: list[str], listing: Callable[..., Table] | None) -> int:
    """The command line, with what it writes in files; it ends the process."""
    if listing is not None:
        api.listing = listing
    sys.stdout = (folder / f"out-{process_number()}").open("w", encoding="utf-8")
    sys.stderr = (folder / f"err-{process_number()}").open("w", encoding="utf-8")
    return main(words)


def _written(folder: Path, count: int = 2) -> dict[str, list[str]]:
    return {kind: [(folder / f"{kind}-{number}").read_text() for number in range(count)] for kind in ("out", "err")}


def test_only_the_first_process_writes_what_came_out(side_by_side: SideBySide, tmp_path: Path):
    assert side_by_side(2, _run, tmp_path, ["list", "organs"], None) == [0, 0]
    first, second = _written(tmp_path)["out"]
    assert "liver" in first
    assert second == ""


def test_a_mistake_of_all_is_said_once(side_by_side: SideBySide, tmp_path: Path):
    assert side_by_side(2, _run, tmp_path, ["list", "organ"], None) == [2, 2]
    said = [text for text in _written(tmp_path)["err"] if "found" in text]
    assert len(said) == 1
    assert said[0].startswith(("Process 0 of 2, on ", "Process 1 of 2, on "))


def _fails_in_the_second(kind: str, *, runs: Any) -> Table:
    from seg.train.ranks import together

    if process_number() == 1:
        raise DataError(found="a broken scan", expected="a sound one", fix="mend it", code="gzip-crc")
    together().meet("listing")
    raise AssertionError("the other process never came")


def test_an_error_of_one_ends_all_with_its_code(side_by_side: SideBySide, tmp_path: Path):
    assert side_by_side(2, _run, tmp_path, ["list", "organs"], _fails_in_the_second) == [3, 3]
    first, second = _written(tmp_path)["err"]
    assert first == ""
    assert "a broken scan" in second


def _is_interrupted(kind: str, *, runs: Any) -> Table:
    raise SystemExit(143)


def test_a_signal_keeps_its_exit_code(side_by_side: SideBySide, tmp_path: Path):
    assert side_by_side(2, _run, tmp_path, ["list", "organs"], _is_interrupted) == [143, 143]


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert (process_count(), process_number(), several(), leads()) == (1, 0, False, True)
    before = signal.getsignal(signal.SIGTERM)
    ignore_launcher()
    assert signal.getsignal(signal.SIGTERM) is before


def test_last_words_are_not_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    before = signal.getsignal(signal.SIGTERM)
    try:
        ignore_launcher()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
