"""How long a training stands still for a checkpoint, and what the rest of it takes beside the loop; JSON.

blocked:     what the loop waits for: copies of network, averaged network, moments and the best weights; blocked_cpu is
             the part of it that this thread was computing, which does not depend on what else the machine does.
written:     from there until all is on the disk, synced, read back and compared, while training steps go on.
in_place:    what the loop would wait for if it wrote the same checkpoint itself.
"""

import argparse
import json
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from seg.data.phantom.layouts import write_phantoms
from seg.models.network import build_network
from seg.overrides import resolve
from seg.recipes.prepare import prepare
from seg.recipes.train import make_training
from seg.runs import Run
from seg.train.batches import training_batches
from seg.train.checkpoint import save_checkpoint
from seg.train.log import TrainingLog
from seg.train.loop import take_step
from seg.train.room import checkpoint_bytes
from seg.train.saved import moment
from seg.train.saver import Saver
from seg.train.training import Progress, Training


def make(folder: Path, words: list[str]) -> Training:
    """A training of the settings on phantoms; its data hardly matter here."""
    write_phantoms(folder / "data", "decathlon", labelled=6, unlabelled=2, size=(8, 64, 64))
    settings = resolve([
        "organ=liver", f"data.root={folder / 'data'}", f"runs.folder={folder / 'runs'}", "model.weights=none",
        "strategy=mean_teacher", "train.batch_size=2", "data.workers=0", *words,
    ])  # fmt: skip
    prepared = prepare(settings)
    network, weights = build_network(settings.model, 1, prepared.plan.input_channels)
    return make_training(settings, prepared, network, weights)


def measure(training: Training, run: Run, rounds: int) -> dict[str, Any]:
    """Steps and saves in turn."""
    names = ("blocked_s", "blocked_cpu_s", "written_s", "in_place_s", "steps_while_it_is_written")
    found: dict[str, list[float]] = {name: [] for name in names}
    log = TrainingLog(run, rounds, 0, Console(quiet=True), tensorboard=False)
    batches = training_batches(training, range(10_000))
    start = time.perf_counter()
    with log, Saver(training, run, log, Progress(rounds)) as saver:
        entered_s, step = time.perf_counter() - start, 0
        take_step(training, next(batches), step)
        before_mb = _memory_mb()
        for number in range(rounds):
            start, start_cpu = time.perf_counter(), time.thread_time()
            saver.keep_best("teacher")
            saver.save(Progress(rounds, step=number + 1, best_step=1))
            copied, copied_cpu = time.perf_counter(), time.thread_time()
            steps = 0
            while (thread := saver._writer._thread) is not None and thread.is_alive():
                step, steps = step + 1, steps + 1
                take_step(training, next(batches), step)
            saver._writer.wait()
            written = time.perf_counter()
            save_checkpoint(run.folder / "in-place", moment(training, Progress(rounds, step=number + 1)))
            in_place_s = time.perf_counter() - written
            values = (copied - start, copied_cpu - start_cpu, written - copied, in_place_s, steps)
            for name, value in zip(names, values, strict=True):
                found[name].append(value)
    return {
        "checkpoint_mb": round(checkpoint_bytes(training) / 1e6), "memory_reserved_s": round(entered_s, 3),
        **{name: _summary(values) for name, values in found.items()},
        "memory_mb": {"before the first save": before_mb, "peak": _memory_mb()},
    }  # fmt: skip


def _summary(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "max": round(max(values), 3), "first": round(values[0], 3)}


def _memory_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def main() -> dict[str, Any]:
    """Measure and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--folder", default=None, help="where to write; a temporary folder is made in it")
    parser.add_argument("words", nargs="*", help="settings, such as model.encoder=resnet18 prepare.size_px=256")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        training = make(Path(name), ["prepare.size_px=64", *given.words])
        run = Run(Path(name) / "run")
        run.folder.mkdir()
        found = measure(training, run, given.rounds)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return {
        "encoder": training.settings.model.encoder, "size_px": training.plan.size_px,
        "machine": machine, "device": training.device.type, **found,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
