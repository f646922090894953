import re

from seg import console
from seg.progress import silent


class Terminal:
    """A stream that says it is a terminal and keeps what is written."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def _on_a_terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "60")
    return stream


def test_on_a_terminal_a_table_is_drawn(monkeypatch):
    terminal = _on_a_terminal(monkeypatch)
    console.print_table(("file", "found"), [("[bold]a.nii", "evil \x1b[2J name"), ("b.nii", "x " * 60)])
    assert "[bold]a.nii" in terminal.text
    assert "\x1b[2J" not in terminal.text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
    assert max(len(line) for line in plain.splitlines()) <= 60


def test_elsewhere_a_table_is_one_line_per_row(capsys):
    console.print_table(("a", "b"), [("1\n2", "3")])
    assert capsys.readouterr().out == "a\tb\n1 2\t3\n"


def test_elsewhere_progress_is_silent():
    assert console.progress_line() is silent


def test_on_a_terminal_progress_rewrites_one_line(monkeypatch):
    terminal = _on_a_terminal(monkeypatch)
    listen = console.progress_line("checking: ")
    for done in range(1, 101):
        listen(done, 100, "x" * 200)
    assert terminal.text.count("\n") == 1
    assert terminal.text.count("\r") < 50
    assert "checking: 1/100" in terminal.text
    assert terminal.text.endswith("\n")
    assert all(len(line) < 70 for line in terminal.text.split("\r"))
