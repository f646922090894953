"""What a training says while it runs: console, `curve.jsonl`, `log.txt`, TensorBoard."""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from torch.utils.tensorboard import SummaryWriter

from seg.atomic import cannot_write, sync, write_text
from seg.runs import Run


class TrainingLog:
    """Writes rows as they come, so that a killed run keeps its curve."""

    def __init__(self, run: Run, total_steps: int, start_step: int, console: Console, tensorboard: bool) -> None:
        """Rows from `start_step` on that an interrupted run had already written are dropped."""
        self._run = run
        self._keep_rows_before(start_step)
        # Bytes, since only these files may be written by one thread while another one syncs them.
        self._curve = run.curve.open("ab")
        # The loop speaks, and so does the thread that saves.
        self._speaking = threading.Lock()
        self._text = (run.folder / "log.txt").open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run.folder / "tensorboard"), purge_step=start_step + 1) if tensorboard else None
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[facts]}"),
            console=console, refresh_per_second=2, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=total_steps, completed=start_step, facts="")
        self._total_steps = total_steps

    def __enter__(self) -> "TrainingLog":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        for file in (self._curve, self._text, *([] if self._board is None else [self._board])):
            # What a full disk left unwritten; whether that matters was said when the training was saved.
            with suppress(OSError):
                file.close()

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Keep one row of the curve; while the disk is full, in memory."""
        row = json.dumps({"step": step, "values": dict(values)}, allow_nan=False) + "\n"
        with suppress(OSError):
            self._curve.write(row.encode())
            self._curve.flush()
        if self._board is not None:
            self._draw(self._board, step, values)

    def sync(self) -> None:
        """Return when every row is on the disk; ResourceError where it cannot be."""
        try:
            self._curve.flush()
            sync(self._run.curve)
        except OSError as error:
            raise cannot_write(self._run.curve, error) from error

    def _draw(self, board: SummaryWriter, step: int, values: Mapping[str, float]) -> None:
        try:
            for name, value in values.items():
                board.add_scalar(name, value, step)
        except OSError as error:
            self._board = None
            with suppress(OSError):
                # Its thread would go on trying.
                board.close()
            self.say(f"TensorBoard gets no more of this training: {error}")

    def progress(self, step: int, facts: str) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, facts=facts)

    def total(self, steps: int) -> None:
        """The length of the run changed (time budget)."""
        self._total_steps = steps
        self._bar.update(self._task, total=steps)

    def say(self, sentence: str) -> None:
        """A line for the console and `log.txt`, whole whichever threads speak at once."""
        with self._speaking:
            self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)
            with suppress(OSError):
                self._text.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}\n")
                self._text.flush()

    def _keep_rows_before(self, step: int) -> None:
        path: Path = self._run.curve
        if path.exists():
            rows = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            write_text(path, "".join(takewhile(lambda row: _is_whole(row) and json.loads(row)["step"] <= step, rows)))


def _is_whole(row: str) -> bool:
    """A power cut may leave half a row, or room for rows that were never written."""
    try:
        return row.endswith("\n") and "step" in json.loads(row)
    except ValueError:
        return False


def duration(seconds: float) -> str:
    """`1 h 05 min`, `12 min`, `40 s`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
