import io
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

from seg.errors import ResourceError
from seg.runs import Run
from seg.train.log import TrainingLog, duration


def test_rows_are_on_disk_at_once_and_those_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with TrainingLog(run, 100, 0, Console(quiet=True), tensorboard=False) as log:
        for step in (10, 20, 30):
            log.row(step, {"loss": 1 / step})
            assert run.curve_rows()[-1].step == step
    with run.curve.open("a") as curve:
        curve.write('{"step": 40, "val')
    with TrainingLog(run, 100, 20, Console(quiet=True), tensorboard=False) as log:
        log.row(25, {"loss": 0.1})
    assert [row.step for row in run.curve_rows()] == [10, 20, 25]


@pytest.mark.parametrize("rest", ['{"step": 40, "val', "\0\0\0\n", "[]\n", '{"other": 1}\n', "\udcff\n"])
def test_what_a_power_cut_left_of_a_row_is_dropped(tmp_path: Path, rest: str) -> None:
    run = Run(tmp_path)
    with TrainingLog(run, 100, 0, Console(quiet=True), tensorboard=False) as log:
        log.row(10, {"loss": 1})
    with run.curve.open("ab") as curve:
        curve.write(rest.encode(errors="surrogateescape"))
    with TrainingLog(run, 100, 20, Console(quiet=True), tensorboard=False) as log:
        log.row(25, {"loss": 0.1})
    assert [row.step for row in run.curve_rows()] == [10, 25]


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Lets files grow to so many bytes, which is what a full disk looks like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda limit_bytes: resource.setrlimit(
        resource.RLIMIT_FSIZE, (soft if limit_bytes < 0 else limit_bytes, hard)
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_rows_that_found_the_disk_full_are_written_when_there_is_room(tmp_path: Path, file_limit) -> None:
    run = Run(tmp_path)
    with TrainingLog(run, 100, 0, Console(quiet=True), tensorboard=False) as log:
        log.row(10, {"loss": 1})
        file_limit(run.curve.stat().st_size + 10)
        for step in (20, 30):
            log.row(step, {"loss": 1})
        log.say("a sentence that finds no room")
        with pytest.raises(ResourceError, match=r"curve\.jsonl.*too large"):
            log.sync()
        file_limit(-1)
        log.sync()
        assert [row.step for row in run.curve_rows()] == [10, 20, 30]
        log.row(40, {"loss": 1})
    assert [row.step for row in run.curve_rows()] == [10, 20, 30, 40]


def test_a_disk_that_stays_full_is_no_new_error_at_the_end(tmp_path: Path, file_limit) -> None:
    run = Run(tmp_path)
    with TrainingLog(run, 100, 0, Console(quiet=True), tensorboard=False) as log:
        log.row(10, {"loss": 1})
        size_bytes = run.curve.stat().st_size
        file_limit(size_bytes)
        log.row(20, {"loss": 1})
    # Before pytest writes to a file of its own.
    file_limit(-1)
    assert run.curve.stat().st_size == size_bytes


def test_a_board_that_cannot_be_written_is_said_once_and_left(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    text = io.StringIO()
    with TrainingLog(Run(tmp_path), 10, 0, Console(file=text, width=200), tensorboard=True) as log:
        monkeypatch.setattr(SummaryWriter, "add_scalar", full)
        log.row(1, {"loss": 1.0})
        log.row(2, {"loss": 1.0})
    assert text.getvalue().count("TensorBoard gets no more of this training: [Errno 28] No space left") == 1
    assert [row.step for row in Run(tmp_path).curve_rows()] == [1, 2]


def test_sentences_go_to_console_and_file_and_are_not_taken_for_markup(tmp_path: Path) -> None:
    text = io.StringIO()
    with TrainingLog(Run(tmp_path), 10, 0, Console(file=text, width=80), tensorboard=False) as log:
        log.say("case [bold]x[/bold]: fine")
    assert "case [bold]x[/bold]: fine" in text.getvalue()
    assert "case [bold]x[/bold]: fine" in (tmp_path / "log.txt").read_text()


class _Slow(io.StringIO):
    """A file that takes its time over every character, as a busy disk or terminal does."""

    def write(self, text: str) -> int:
        for character in text:
            time.sleep(0)
            super().write(character)
        return len(text)


def test_lines_stay_whole_where_two_threads_speak_at_once(tmp_path: Path) -> None:
    shown, kept = _Slow(), _Slow()
    with TrainingLog(Run(tmp_path), 10, 0, Console(file=shown, width=200), tensorboard=False) as log:
        log._text.close()
        log._text = kept
        sentences = [f"thread {number} " + "x" * 40 for number in range(4)]
        threads = [threading.Thread(target=lambda s=s: [log.say(s) for _ in range(10)]) for s in sentences]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = [line.split(" ", 2)[-1] for line in kept.getvalue().splitlines()]
        assert sorted(lines) == sorted(shown.getvalue().splitlines()) == sorted(sentences * 10)


def test_a_terminal_shows_a_bar_with_facts(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120)
    with TrainingLog(Run(tmp_path), 10, 0, console, tensorboard=False) as log:
        log.total(8)
        log.progress(4, "loss 0.5  3 min left")
    assert "4/8" in text.getvalue()
    assert "3 min left" in text.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"), [(12.4, "12 s"), (89, "89 s"), (600, "10 min"), (3599, "1 h 00 min"), (3900, "1 h 05 min")]
)
def test_durations_read_naturally(seconds: float, words: str) -> None:
    assert duration(seconds) == words
