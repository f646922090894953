"""Kills trainings, fills their disk and flips bits of what they keep; how many end as if nothing had happened; JSON.

kills:   SIGKILL of a training and its loading processes, half of them at a random moment, half aimed inside a save: at
         a call of fsync, rename, replace or link, or while tensors are written. Which ones really were inside one is
         what the training said of its saves before it was killed, beside what lay half-written there. After a resume
         the sha256 of network, averaged network, moments, state of components, best, last and student weights and the
         rows of the curve are those of a run that nobody disturbed. That one loads in its own process, so the number
         of workers is compared as well.
limits:  RLIMIT_FSIZE, which looks like a full disk, from the second save on. The earlier checkpoint stays byte for
         byte, the exit code is that of ResourceError, and after a resume all is as above.
flips:   one bit of a file of the newest checkpoint (the one before is used, and that is said) or of the prepared scans
         (they are made again, byte for byte).
signals: SIGTERM, SIGINT, and a second SIGTERM while a save hangs: exit codes 143, 130, 143, everything saved by the
         first two, no process left behind.
"""

import argparse
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
from faults.records import Records
from faults.reference import Reference, digests, reference
from faults.strike import BEGUN, ENDED, Fault, at_second_save, at_step, in_write, journalled

from seg.atomic import TEMPORARY
from seg.data.phantom.layouts import write_phantoms
from seg.errors import ResourceError
from seg.overrides import resolve
from seg.recipes.prepare import check_and_split, prepare_checked
from seg.runs import Run
from seg.train import saver
from seg.train.checkpoint import newest_sound
from seg.train.manifest import step_of

_PLACES = ("checkpoint", "prepared")
STRATEGIES = {
    "supervised": ("strategy=supervised",),
    "mean_teacher": ("strategy=mean_teacher",),
    "finetune+mean_teacher": ("strategy=finetune,mean_teacher", "transfer.source={source}"),
    "finetune+l2sp": ("strategy=finetune,l2sp", "transfer.source={source}"),
}


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


def kills(place: Place, strategies: list[str], count: int, records: Records) -> dict[str, Any]:
    """So many kills, in turn over strategies, precisions and numbers of workers; every second one inside a save."""
    cases = list(itertools.product(strategies, ("fp32", "bf16"), (0, 2)))
    for number, draw in records.left("kill", count):
        strategy, precision, workers = cases[number % len(cases)]
        words = [f"train.precision={precision}", *(word.format(source=_source(place)) for word in STRATEGIES[strategy])]
        whole, name = reference(place, f"{strategy}-{precision}".replace("+", "-"), *words), f"killed-{number}"
        aimed = (number + number // len(cases)) % 2 == 0
        while (inside := _killed(place, name, [*words, f"data.workers={workers}"], whole, aimed, draw)) is None:
            shutil.rmtree(place.run(name).folder)
        left = _left_half_written(place.run(name))
        differs = whole.differs(place, name)
        shutil.rmtree(place.run(name).folder)
        records.add("kill", number, count, {
            "of": [strategy, precision, f"{workers} workers"], "aimed": aimed, "inside": inside, "left": left,
            "differs": differs,
        })  # fmt: skip
    found = records.of("kill")
    identical = Counter(part for one in found if not one["differs"] for part in one["of"])
    return {
        "kills": len(found), "identical": sum(not one["differs"] for one in found),
        "aimed_inside_a_save": sum(one["aimed"] for one in found),
        "inside_a_save": sum(one["inside"] for one in found),
        "half_written_files_found": sum(one["left"] for one in found),
        **{f"identical {part}": times for part, times in identical.items()},
        "failures": [one for one in found if one["differs"]],
    }  # fmt: skip


def _source(place: Place) -> Path:
    return reference(place, "source", *STRATEGIES["supervised"], "train.precision=fp32").run.folder


def _killed(
    place: Place, name: str, words: list[str], whole: Reference, aimed: bool, draw: random.Random
) -> bool | None:
    """Start a run and kill it; whether that was inside a save, by what it said; None where it was faster."""
    # A delay of a few milliseconds ends inside what the call writes, or shortly after it.
    delay_ms = draw.choice((0.0, draw.uniform(0.1, 5)))
    strike: Fault = in_write(draw.randint(1, whole.calls), delay_ms) if aimed else (lambda: None)
    child = place.train(name, *words, fault=journalled(strike))
    if child.started() and not aimed:
        time.sleep(draw.uniform(0, whole.seconds))
        child.kill()
    code, lines = child.ended()
    if code not in (0, -signal.SIGKILL):
        sys.exit((place.folder / f"{name}.txt").read_text() or f"{name} ended with {code}")
    return lines.count(BEGUN) > lines.count(ENDED) if code else None


def _left_half_written(run: Run) -> bool:
    """Whether something lies there that was being written, not removed."""
    return any(not path.name.startswith(f"{TEMPORARY}old-") for path in run.folder.rglob(f"{TEMPORARY}*"))


def limits(place: Place, whole: Reference, count: int, records: Records) -> dict[str, Any]:
    """So many limits of the size of files, each smaller than the largest file of a checkpoint."""
    largest = max(path.stat().st_size for path in whole.run.checkpoints.glob("*/*.safetensors"))
    for number, draw in records.left("limit", count):
        name, limit_bytes = f"limited-{number}", draw.randint(0, largest - 1)

        def fill(self: saver.Saver, limit_bytes: int = limit_bytes) -> None:
            report(json.dumps(digests(self._run.checkpoints)))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))

        child = place.train(name, *whole.words, fault=at_second_save(fill))
        child.started()
        code, lines = child.ended()
        kept = json.loads(lines[-1]) == digests(place.run(name).checkpoints)
        differs = whole.differs(place, name)
        shutil.rmtree(place.run(name).folder)
        record = {"bytes": limit_bytes, "exit_code": code, "kept": kept, "differs": differs}
        records.add("limit", number, count, record)
    found = records.of("limit")
    intact = sum(one["kept"] and one["exit_code"] == ResourceError.exit_code for one in found)
    identical = sum(not one["differs"] for one in found)
    return {
        "limits": len(found),
        "earlier checkpoint as it was, exit code 4": intact,
        "identical after resume": identical,
    }


def flips(place: Place, whole: Reference, count: int, records: Records) -> dict[str, Any]:
    """Every second bit in the newest of two checkpoints, the others in prepared scans."""
    left, settings = records.left("flip", count), resolve(place.words)
    if left:
        leave = at_step((settings.train.steps or 0) - 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        place.train("flipped", *whole.words, fault=leave).ended()
        newest = max(place.run("flipped").checkpoints.glob("step-*"), key=step_of)
        files = sorted(newest.iterdir())
        prepared = prepare_checked(place.checked, settings)
        entries = [path for case in prepared.train for path in sorted(case.folder.iterdir())]
    for number, draw in left:
        if number % 2 == 0:
            path, where = files[number // 2 % len(files)], "checkpoint"
            noticed = _passed_over(path, draw)
        else:
            path, where = draw.choice(entries), "prepared"
            content = path.read_bytes()
            _flip(path, draw)
            prepare_checked(place.checked, settings)
            noticed = path.read_bytes() == content
        records.add("flip", number, count, {"in": where, "file": path.name, "noticed": noticed})
    found = records.of("flip")
    noticed_in = {
        place: [one["noticed"] for one in found if one["in"] == place] for place in ("checkpoint", "prepared")
    }
    return {
        "flips": len(found), "in a checkpoint": len(noticed_in["checkpoint"]),
        "the one before was used, and said so": sum(noticed_in["checkpoint"]),
        "in prepared scans": len(noticed_in["prepared"]), "made again, byte for byte": sum(noticed_in["prepared"]),
    }  # fmt: skip


def _passed_over(path: Path, draw: random.Random) -> bool:
    content, said = path.read_bytes(), list[str]()
    _flip(path, draw)
    found = newest_sound(path.parent.parent, said.append)
    path.write_bytes(content)
    return found is not None and step_of(found) < step_of(path.parent) and "is damaged" in said[0]


def _flip(path: Path, draw: random.Random) -> None:
    with path.open("r+b") as file:
        position = draw.randrange(path.stat().st_size)
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << draw.randrange(8)]))


def signals(place: Place, whole: Reference, step: int) -> dict[str, Any]:
    """Signals in the middle of a step, with loading processes."""
    found = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        name = f"{number.name}-once"
        child = place.train(
            name, *whole.words, "data.workers=2", fault=at_step(step, lambda n=number: os.kill(os.getpid(), n))
        )
        code, _ = child.ended()
        saved_step = max(map(step_of, place.run(name).checkpoints.glob("step-*")))
        found[name] = {
            "exit code": code, "step": saved_step, "processes left": child.left_processes(),
            "identical after resume": not whole.differs(place, name),
        }  # fmt: skip
    return {**found, "SIGTERM twice while a save hangs": _twice(place, whole)}


def _twice(place: Place, whole: Reference) -> dict[str, Any]:
    def hang(_: saver.Saver) -> None:
        saver.save_checkpoint = lambda *_: time.sleep(60)
        for delay_s in (0.5, 1.0):
            threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGTERM)).start()
        report(str(time.time() + 1.0))

    child = place.train("twice", *whole.words, "data.workers=2", fault=at_second_save(hang))
    child.started()
    code, lines = child.ended()
    return {
        "exit code": code, "ended after s": round(time.time() - float(lines[-1]), 2),
        "processes left": child.left_processes(), "identical after resume": not whole.differs(place, "twice"),
    }  # fmt: skip


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--limits", type=int, default=50)
    parser.add_argument("--flips", type=int, default=500)
    parser.add_argument(
        "--strategies", default="supervised,mean_teacher,finetune+mean_teacher", help=", ".join(STRATEGIES)
    )
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--saves", type=int, default=4)
    parser.add_argument("--encoder", default="mobilenet_v2")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", default=None, help="where to work; a temporary folder is made in it")
    parser.add_argument("--records", type=Path, default=None, help="JSON lines to go on after; each fault adds one")
    return parser.parse_args()


def main() -> dict[str, Any]:
    """Do it all, or what the records lack of it, and return the figures."""
    given, start = _given(), time.perf_counter()
    about = {name: getattr(given, name) for name in ("strategies", "steps", "saves", "encoder", "size_px", "seed")}
    records = Records(given.records, about)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        place = make_place(Path(name), given)
        whole = reference(place, "source", *STRATEGIES["supervised"], "train.precision=fp32")
        found = {
            **about,
            "signals": signals(place, whole, given.steps // given.saves),
            "kills": kills(place, given.strategies.split(","), given.kills, records),
            "limits": limits(place, whole, given.limits, records),
            "flips": flips(place, whole, given.flips, records),
        }
    return {**found, "seconds": round(time.perf_counter() - start)}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
