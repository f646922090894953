"""Planted negative transfer on real scans: a source that learned shuffled labels, and what the guard says of it; JSON.

The source's scans keep their images and get the masks of other patients. From the model that learned these, the target
is trained three times: with the guard, without it (what would have come of the transfer), and, with --control, from a
source with the right labels. All share steps, network, draws and test patients, which the guard never sees. Finished
runs are used again. Progress goes to stderr, logs lie beside the runs.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from seg.errors import HURT, SegError
from seg.runs import Run


def main() -> dict[str, Any]:
    """Run what is missing and return exit codes, what the guard found, and the Dice of the kept-back patients."""
    given = _arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    source = _source(given)
    arms = {"guarded": _transfer(given, "guarded", source), "unguarded": _transfer(given, "unguarded", source, False)}
    if given.control:
        arms["control"] = _transfer(given, "control", given.control)
    return {
        "steps": given.steps, "source_steps": given.source_steps, "words": given.words,
        "source_validation_dice": source.manifest().results["validation_dice"],
        "arms": {name: {"exit": code, **_figures(run)} for name, (code, run) in arms.items()},
    }  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source-data", type=Path, required=True, help="pictures with livers: images/ and labels/")
    parser.add_argument("--target-data", type=Path, required=True, help="scans with pancreases")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of the encoder: the fallback")
    parser.add_argument("--folder", type=Path, required=True, help="where shuffled scans, runs and logs lie")
    parser.add_argument("--source-start", default="none", help="none, or a weight file that the source starts from")
    parser.add_argument("--control", type=lambda word: Run(Path(word).absolute()), help="a source with right labels")
    parser.add_argument("--encoder", default="mobilenet_v2")
    parser.add_argument("--strategy", default="finetune")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--source-steps", type=int, default=300)
    parser.add_argument("--labelled", type=int, default=5, help="labelled target patients")
    parser.add_argument("words", nargs="*", help="settings of every training")
    return parser.parse_args()


def _source(given: argparse.Namespace) -> Run:
    scans = given.folder.absolute() / "shuffled"
    if not scans.exists():
        _shuffle(given.source_data, scans)
    words = ["organ=liver", f"data.root={scans}", f"train.steps={given.source_steps}", "prepare.spacing=0.75"]
    _, run = _finished(given, "shuffled-source", ["train", *words, f"model.weights={given.source_start}"])
    return run


def _shuffle(scans: Path, into: Path) -> None:
    """Copy the scans; every image gets the mask of a slice of another patient, each mask once."""
    names = sorted(path.name for path in (scans / "labels").iterdir())
    patients = [name.rpartition("_")[0] for name in names]
    order, rng = list(range(len(names))), random.Random(0)
    # Drawn again until no slice has a mask of its own patient; slice by slice that would take for ever.
    rng.shuffle(order)
    for place in range(len(names)):
        while patients[order[place]] == patients[place]:
            other = rng.randrange(len(names))
            if patients[order[other]] != patients[place] and patients[order[place]] != patients[other]:
                order[place], order[other] = order[other], order[place]
    made = into.with_name(f"{into.name}.making")
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(scans / "images", made / "images")
    (made / "labels").mkdir()
    for place, name in enumerate(names):
        shutil.copyfile(scans / "labels" / names[order[place]], made / "labels" / name)
    made.rename(into)


def _transfer(given: argparse.Namespace, name: str, source: Run, guard: bool = True) -> tuple[int, Run]:
    words = [
        "--from", str(source.folder), "--to", "pancreas", "--strategy", given.strategy,
        f"data.root={given.target_data.absolute()}", f"model.weights={given.weights.absolute()}",
        "split.test_fraction=0.39", "split.validation_fraction=0.3", f"data.labelled={given.labelled}",
        f"train.steps={given.steps}", "prepare.spacing=1.5", f"transfer.guard={str(guard).lower()}",
    ]  # fmt: skip
    return _finished(given, f"{name}-{given.strategy}-{given.labelled}-{given.steps}", ["transfer", *words])


def _finished(given: argparse.Namespace, name: str, command: list[str]) -> tuple[int, Run]:
    run, ended = Run(given.folder.absolute() / name), given.folder / f"{name}.exit"
    if _state(run) == "finished":
        return int(ended.read_text()), run
    print(name, file=sys.stderr, flush=True)
    shared = [
        "preset=cpu", f"model.encoder={given.encoder}", "prepare.size_px=192", "train.tensorboard=false",
        f"runs.folder={given.folder.absolute()}", f"runs.name={name}", "predict.keep_largest=no", *given.words,
    ]  # fmt: skip
    with (given.folder / f"{name}.log").open("a") as log:
        done = subprocess.run([sys.executable, "-m", "seg", *command, *shared], stdout=log, stderr=log, check=False)
    if done.returncode not in (0, HURT):
        sys.exit(f"{name} ended with {done.returncode}: see {log.name}")
    ended.write_text(str(done.returncode))
    return done.returncode, run


def _state(run: Run) -> str:
    try:
        return run.manifest().state
    except SegError:
        return ""


def _figures(run: Run) -> dict[str, Any]:
    manifest, evaluation = run.manifest(), run.evaluation()
    if evaluation is None:
        sys.exit(f"{run.name} has no scores")
    dice = evaluation.summary["pancreas"]["dice"]
    return {
        "started_from": manifest.lineage["source"], "test_dice": [dice.mean, dice.low, dice.high],
        "test_patients": {score.patient: score.values["dice"] for score in evaluation.cases},
        "training_s": manifest.results["training_s"], "guard": manifest.lineage.get("guard"),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
