"""Kills trainings, fills their disk and flips bits of what they keep; how many end as if nothing had happened; JSON.

kills:   SIGKILL of a training and its loading processes, half of them at a random moment, half inside a save: at a call
         of fsync, rename, replace or link, or while tensors are written. After a resume the sha256 of network, averaged
         network, moments, state of components, best, last and student weights and the rows of the curve are those of a
         run that nobody disturbed. That one loads in its own process, so the number of workers is compared as well.
limits:  RLIMIT_FSIZE, which looks like a full disk, from the second save on. The earlier checkpoint stays byte for
         byte, the exit code is that of ResourceError, and after a resume all is as above.
flips:   one bit of a file of the newest checkpoint (the one before is used, and that is said) or of the prepared scans
         (they are made again, byte for byte).
signals: SIGTERM, SIGINT, and a second SIGTERM while a save hangs: exit codes 143, 130, 143, everything saved by the
         first two, no process left behind.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

# What is forked may have no second thread: neither of torch, nor for a GPU.
os.environ.update(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")

import cv2
from faults.child import Place, report
from faults.strike import Fault, at_second_save, at_step, in_write

from seg.data.phantom.layouts import write_phantoms
from seg.errors import ResourceError
from seg.overrides import resolve
from seg.recipes.prepare import check_and_split, prepare_checked
from seg.runs import Run
from seg.train import saver
from seg.train.checkpoint import load_newest
from seg.train.manifest import step_of

STRATEGIES = {
    "supervised": ("strategy=supervised",),
    "mean_teacher": ("strategy=mean_teacher",),
    "finetune+mean_teacher": ("strategy=finetune,mean_teacher", "transfer.source={source}"),
    "finetune+l2sp": ("strategy=finetune,l2sp", "transfer.source={source}"),
}


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def outcome(run: Run) -> dict[str, str]:
    """What must not depend on what happened on the way."""
    newest = max(run.checkpoints.glob("step-*"), key=step_of)
    found = {name: digest for name, digest in digests(newest).items() if name.endswith(".safetensors")}
    for path in (run.model, run.last, run.student):
        if path.exists():
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = [(row.step, {k: v for k, v in row.values.items() if k != "images_per_s"}) for row in run.curve_rows()]
    return {**found, "rows": json.dumps(rows), "step": str(step_of(newest))}


class Reference:
    """A run that nobody disturbs: what it came to, how long it took, and how often it wrote."""

    def __init__(self, place: Place, name: str, *words: str) -> None:
        child = place.train(name, *words, fault=in_write(0))
        begun = child.started()
        start = time.perf_counter()
        code, calls = child.ended()
        if not begun or code != 0:
            sys.exit((place.folder / f"{name}.txt").read_text() or f"{name} ended with {code}")
        self.seconds, self.calls = time.perf_counter() - start, len(calls)
        self.words, self.run = words, place.run(name)
        self.outcome = outcome(self.run)

    def differs(self, place: Place, name: str) -> list[str]:
        """Go on with a disturbed run; what of it is not as it would have been."""
        code, _ = place.train(name).ended()
        if code != 0:
            return [f"exit code {code}"]
        found = outcome(place.run(name))
        return sorted(key for key in {**found, **self.outcome} if found.get(key) != self.outcome.get(key))


def make_place(folder: Path, given: argparse.Namespace) -> Place:
    """Eight labelled and two unlabelled patients, checked and prepared, and trainings of seconds."""
    write_phantoms(folder / "data", "decathlon", labelled=8, unlabelled=2, size=(10, 64, 64))
    words = (
        "organ=liver", f"data.root={folder / 'data'}", f"prepare.cache={folder / 'cache'}",
        f"runs.folder={folder / 'runs'}", f"prepare.size_px={given.size_px}", f"model.encoder={given.encoder}",
        "model.weights=none", "model.decoder_channels=32,16,16,8,8", f"train.steps={given.steps}", "train.batch_size=2",
        f"train.validations={given.saves}", "train.threads=1", "train.tensorboard=false", "data.workers=0",
    )  # fmt: skip
    checked = check_and_split(resolve(words))
    place = Place(folder, words, checked)
    cv2.setNumThreads(0)
    # Once in this process, so that its copies find everything imported.
    place.train_here("warm", "train.steps=1", "train.validations=1")
    return place


def kills(place: Place, strategies: list[str], count: int, draw: random.Random) -> dict[str, Any]:
    """So many kills, in turn over strategies, precisions and numbers of workers; every second one inside a save."""
    source = place.run("source").folder
    cases = list(itertools.product(strategies, ("fp32", "bf16"), (0, 2)))
    references: dict[tuple[str, str], Reference] = {}
    total: Counter[str] = Counter()
    failures = []
    for number in range(count):
        strategy, precision, workers = cases[number % len(cases)]
        words = [f"train.precision={precision}", *(word.format(source=source) for word in STRATEGIES[strategy])]
        if (strategy, precision) not in references:
            references[strategy, precision] = Reference(place, f"{strategy}-{precision}".replace("+", "-"), *words)
        reference, name = references[strategy, precision], f"killed-{number}"
        aimed = (number + number // len(cases)) % 2 == 0
        while not _killed(place, name, [*words, f"data.workers={workers}"], reference, aimed, draw):
            shutil.rmtree(place.run(name).folder)
        left = _left_half_written(place.run(name))
        differs = reference.differs(place, name)
        failures += [{"kill": number, "of": [strategy, precision, workers], "differs": differs}] if differs else []
        total.update(
            identical=not differs, aimed_inside_a_save=aimed, half_written_files_found=left,
            **{f"identical {part}": not differs for part in (strategy, precision, f"{workers} workers")},
        )  # fmt: skip
        shutil.rmtree(place.run(name).folder)
        _say(f"kill {number + 1} of {count}: {strategy}, {precision}, {workers} workers: {differs or 'identical'}")
    return {"kills": count, **total, "failures": failures}


def _killed(place: Place, name: str, words: list[str], reference: Reference, aimed: bool, draw: random.Random) -> bool:
    """Start a run and kill it; False where it was faster."""
    # A delay of a few milliseconds ends inside what the call writes, or shortly after it.
    delay_ms = draw.choice((0.0, draw.uniform(0.1, 5)))
    fault: Fault = in_write(draw.randint(1, reference.calls), delay_ms) if aimed else (lambda: None)
    child = place.train(name, *words, fault=fault)
    if child.started() and not aimed:
        time.sleep(draw.uniform(0, reference.seconds))
        child.kill()
    code = child.ended()[0]
    if code not in (0, -signal.SIGKILL):
        sys.exit((place.folder / f"{name}.txt").read_text() or f"{name} ended with {code}")
    return code != 0


def _left_half_written(run: Run) -> bool:
    return any(run.folder.rglob(".tmp-*"))


def limits(place: Place, reference: Reference, count: int, draw: random.Random) -> dict[str, Any]:
    """So many limits of the size of files, each smaller than the largest file of a checkpoint."""
    largest = max(path.stat().st_size for path in reference.run.checkpoints.glob("*/*.safetensors"))
    intact = identical = 0
    for number in range(count):
        name, limit_bytes = f"limited-{number}", draw.randint(0, largest - 1)

        def fill(self: saver.Saver, limit_bytes: int = limit_bytes) -> None:
            report(json.dumps(digests(self._run.checkpoints)))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))

        child = place.train(name, *reference.words, fault=at_second_save(fill))
        child.started()
        code, lines = child.ended()
        kept = json.loads(lines[-1]) == digests(place.run(name).checkpoints)
        intact += kept and code == ResourceError.exit_code
        identical += not reference.differs(place, name)
        shutil.rmtree(place.run(name).folder)
        _say(f"limit {number + 1} of {count}: {limit_bytes} bytes, exit code {code}, {'kept' if kept else 'changed'}")
    return {"limits": count, "earlier checkpoint as it was, exit code 4": intact, "identical after resume": identical}


def flips(place: Place, reference: Reference, count: int, draw: random.Random) -> dict[str, Any]:
    """Half of the bits in the newest of two checkpoints, half in prepared scans."""
    settings = resolve(place.words)
    leave = at_step((settings.train.steps or 0) - 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    place.train("flipped", *reference.words, fault=leave).ended()
    newest = max(place.run("flipped").checkpoints.glob("step-*"), key=step_of)
    files = sorted(newest.iterdir())
    used = sum(_passed_over(files[number % len(files)], draw) for number in range(count // 2))
    prepared = prepare_checked(place.checked, settings)
    entries = [path for case in prepared.train for path in sorted(case.folder.iterdir())]
    made_again = 0
    for _ in range(count - count // 2):
        path = draw.choice(entries)
        content = path.read_bytes()
        _flip(path, draw)
        prepare_checked(place.checked, settings)
        made_again += path.read_bytes() == content
    return {
        "flips": count, "in a checkpoint": count // 2, "the one before was used, and said so": used,
        "in prepared scans": count - count // 2, "made again, byte for byte": made_again,
    }  # fmt: skip


def _passed_over(path: Path, draw: random.Random) -> bool:
    content, said = path.read_bytes(), list[str]()
    _flip(path, draw)
    found = load_newest(path.parent.parent, said.append)
    path.write_bytes(content)
    return found is not None and found.step < step_of(path.parent) and "is damaged" in said[0]


def _flip(path: Path, draw: random.Random) -> None:
    with path.open("r+b") as file:
        position = draw.randrange(path.stat().st_size)
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << draw.randrange(8)]))


def signals(place: Place, reference: Reference, step: int) -> dict[str, Any]:
    """Signals in the middle of a step, with loading processes."""
    found = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        name = f"{number.name}-once"
        child = place.train(
            name, *reference.words, "data.workers=2", fault=at_step(step, lambda n=number: os.kill(os.getpid(), n))
        )
        code, _ = child.ended()
        saved_step = max(map(step_of, place.run(name).checkpoints.glob("step-*")))
        found[name] = {
            "exit code": code, "step": saved_step, "processes left": child.left_processes(),
            "identical after resume": not reference.differs(place, name),
        }  # fmt: skip
    return {**found, "SIGTERM twice while a save hangs": _twice(place, reference)}


def _twice(place: Place, reference: Reference) -> dict[str, Any]:
    def hang(_: saver.Saver) -> None:
        saver.save_checkpoint = lambda *_: time.sleep(60)
        for delay_s in (0.5, 1.0):
            threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGTERM)).start()
        report(str(time.time() + 1.0))

    child = place.train("twice", *reference.words, "data.workers=2", fault=at_second_save(hang))
    child.started()
    code, lines = child.ended()
    return {
        "exit code": code, "ended after s": round(time.time() - float(lines[-1]), 2),
        "processes left": child.left_processes(), "identical after resume": not reference.differs(place, "twice"),
    }  # fmt: skip


def main() -> dict[str, Any]:
    """Do it all and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--limits", type=int, default=50)
    parser.add_argument("--flips", type=int, default=500)
    parser.add_argument(
        "--strategies", default="supervised,mean_teacher,finetune+mean_teacher", help=", ".join(STRATEGIES)
    )
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--saves", type=int, default=4)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", default=None, help="where to work; a temporary folder is made in it")
    given = parser.parse_args()
    draw, start = random.Random(given.seed), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        place = make_place(Path(name), given)
        reference = Reference(place, "source", *STRATEGIES["supervised"], "train.precision=fp32")
        found = {
            "steps": given.steps, "saves": given.saves, "encoder": given.encoder, "seed": given.seed,
            "kills": kills(place, given.strategies.split(","), given.kills, draw),
            "limits": limits(place, reference, given.limits, draw),
            "flips": flips(place, reference, given.flips, draw),
            "signals": signals(place, reference, given.steps // given.saves),
        }  # fmt: skip
    return {**found, "seconds": round(time.perf_counter() - start)}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
