import io
from pathlib import Path

import pytest
from rich.console import Console

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


def test_sentences_go_to_console_and_file_and_are_not_taken_for_markup(tmp_path: Path) -> None:
    text = io.StringIO()
    with TrainingLog(Run(tmp_path), 10, 0, Console(file=text, width=80), tensorboard=False) as log:
        log.say("case [bold]x[/bold]: fine")
    assert "case [bold]x[/bold]: fine" in text.getvalue()
    assert "case [bold]x[/bold]: fine" in (tmp_path / "log.txt").read_text()


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
