"""Every strategy on real scans: Dice of a target with few labels, from scratch, from weights and from a source; JSON.

Each arm is a `seg transfer` with the same steps, network, augmentation and test patients; only --from, --strategy and
what the arm says differ. The target has no validation patients: an arm's last weights are judged, once. Finished runs
are used again, so the table can be made in several sittings. Progress goes to stderr, logs lie beside the runs.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from seg.errors import SegError
from seg.evaluate.statistics import bootstrap_interval
from seg.runs import Run


@dataclass(frozen=True)
class Arm:
    """One row of the table."""

    origin: str
    """`none`, `weights`, `liver` (from weights), `liver-none` (from nothing) or `pretrain` (self-supervised)."""
    strategy: str = "supervised"
    words: tuple[str, ...] = ()


ARMS = {
    "scratch": Arm("none"),
    "imagenet": Arm("weights"),
    "encoder": Arm("liver", "encoder"),
    "encoder_decoder": Arm("liver", "encoder_decoder"),
    "plain": Arm("liver"),
    "finetune": Arm("liver", "finetune"),
    "finetune-no-imagenet": Arm("liver-none", "finetune"),
    "freeze": Arm("liver", "freeze"),
    "freeze-2": Arm("liver", "finetune,freeze", ("freeze.stages=2",)),
    "feature_extract": Arm("liver", "feature_extract"),
    "gradual": Arm("liver", "gradual"),
    "edge": Arm("liver", "edge"),
    "l2sp": Arm("liver", "l2sp"),
    "bss": Arm("liver", "bss"),
    "lora": Arm("liver", "lora"),
    "affinity": Arm("liver", "affinity"),
    "mmd": Arm("liver", "mmd"),
    "coral": Arm("liver", "coral"),
    "dann": Arm("liver", "dann"),
    "batch_norm": Arm("liver", "finetune,batch_norm"),
    "joint": Arm("liver", "joint"),
    "importance": Arm("liver", "importance"),
    "tradaboost": Arm("liver", "tradaboost"),
    "pixel_adaptation": Arm("liver", "pixel_adaptation"),
    "restoration": Arm("liver", "finetune,restoration"),
    "pretrain": Arm("pretrain", "finetune"),
    "via": Arm("weights", "finetune", ("transfer.via=liver", "transfer.via_steps=400", "transfer.probe_steps=50")),
    "mean_teacher": Arm("liver", "mean_teacher"),
    "confidence": Arm("liver", "confidence"),
    "uncertainty": Arm("liver", "uncertainty"),
    "copy_paste": Arm("liver", "copy_paste"),
}


def main() -> dict[str, Any]:
    """Run what is missing and return every arm's figures."""
    given = _arguments()
    sizes, draws = map(int, given.labelled.split(",")), map(int, given.draws.split(","))
    wanted = list(product(given.arms.split(","), sizes, draws))
    runs = [(name, labelled, draw, _arm_run(given, name, labelled, draw)) for name, labelled, draw in wanted]
    figures = [
        _figures(name, labelled, [run for n, count, _, run in runs if (n, count) == (name, labelled)])
        for name, labelled in dict.fromkeys((name, labelled) for name, labelled, _, _ in runs)
    ]
    if given.plot:
        _plot(figures, given.plot)
    return {"steps": given.steps, "words": given.words, "arms": figures}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source-data", type=Path, required=True, help="scans with livers")
    parser.add_argument("--target-data", type=Path, required=True, help="scans with pancreases")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of the encoder")
    parser.add_argument("--folder", type=Path, required=True, help="where runs and logs lie")
    parser.add_argument("--encoder", default="mobilenet_v2")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--source-steps", type=int, default=800)
    parser.add_argument("--labelled", default="5", help="labelled target patients, separated by commas")
    parser.add_argument("--draws", default="0", help="which patients are drawn, and the seed of the training")
    parser.add_argument("--plot", type=Path, help="Dice over labelled patients, as SVG")
    parser.add_argument("words", nargs="*", help="settings of every arm")
    return parser.parse_args()


def _arm_run(given: argparse.Namespace, name: str, labelled: int, draw: int) -> Run:
    arm = ARMS[name]
    target = [
        "--from", _source(given, arm.origin), "--to", "pancreas", "--strategy", arm.strategy,
        f"data.root={given.target_data.absolute()}", "split.test_fraction=0.39", "split.validation_fraction=0",
        f"data.labelled={labelled}", f"data.labelled_seed={draw}", f"train.seed={draw}", f"train.steps={given.steps}",
        "prepare.spacing=1.5", "transfer.guard=false", *arm.words,
    ]  # fmt: skip
    if "transfer.via=liver" in arm.words:
        target.append(f"transfer.via_roots={{liver:{given.source_data.absolute()}}}")
    return _finished(given, f"{name}-{labelled}-{draw}-{given.steps}", ["transfer", *target])


def _source(given: argparse.Namespace, origin: str) -> str:
    if origin == "none":
        return "none"
    if origin == "weights":
        return str(given.weights.absolute())
    if origin == "pretrain":
        words = [
            f"data.root={given.target_data.absolute()}",
            f"train.steps={given.source_steps}",
            "prepare.spacing=1.5",
        ]
        start = [f"model.weights={given.weights.absolute()}"]
        return str(_finished(given, "source-pretrain", ["pretrain", *words, *start]).folder)
    weights = "none" if origin == "liver-none" else str(given.weights.absolute())
    words = [
        "organ=liver", f"data.root={given.source_data.absolute()}", f"model.weights={weights}",
        f"train.steps={given.source_steps}", "prepare.spacing=0.75",
    ]  # fmt: skip
    return str(_finished(given, f"source-{origin}", ["train", *words]).folder)


def _finished(given: argparse.Namespace, name: str, command: list[str]) -> Run:
    run = Run((given.folder / name).absolute())
    if _state(run) == "finished":
        return run
    print(name, file=sys.stderr, flush=True)
    given.folder.mkdir(parents=True, exist_ok=True)
    shared = [
        "preset=cpu", f"model.encoder={given.encoder}", "prepare.size_px=192", "train.tensorboard=false",
        f"runs.folder={given.folder.absolute()}", f"runs.name={name}", "predict.keep_largest=no", *given.words,
    ]  # fmt: skip
    going_on = ["train", "--resume", str(run.folder)] if _state(run) else [*command, *shared]
    with (given.folder / f"{name}.log").open("a") as log:
        done = subprocess.run([sys.executable, "-m", "seg", *going_on], stdout=log, stderr=log, check=False)
    if done.returncode:
        sys.exit(f"{name} ended with {done.returncode}: see {log.name}")
    return run


def _state(run: Run) -> str:
    try:
        return run.manifest().state
    except SegError:
        return ""


def _figures(name: str, labelled: int, runs: list[Run]) -> dict[str, Any]:
    """Mean Dice over patients, each patient's own mean over the draws first, with its interval over patients."""
    draws = [_dice(run) for run in runs]
    values = [float(np.mean([draw[patient] for draw in draws])) for patient in sorted(draws[0])]
    interval = bootstrap_interval(values)
    return {
        "arm": name, "labelled": labelled, "draws": [round(float(np.mean(list(draw.values()))), 4) for draw in draws],
        "dice": round(interval.mean or 0, 4), "low": round(interval.low or 0, 4), "high": round(interval.high or 0, 4),
        "patients": dict(zip(sorted(draws[0]), [round(value, 4) for value in values], strict=True)),
        "training_s": [run.manifest().results["training_s"] for run in runs],
    }  # fmt: skip


def _dice(run: Run) -> dict[str, float]:
    evaluation = run.evaluation()
    if evaluation is None:
        sys.exit(f"{run.name} has no scores")
    return {score.patient: score.values["dice"] or 0.0 for score in evaluation.cases}


def _plot(figures: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for name in dict.fromkeys(row["arm"] for row in figures):
        rows = sorted((row for row in figures if row["arm"] == name), key=lambda row: row["labelled"])
        counts = [row["labelled"] for row in rows]
        axes.plot(counts, [row["dice"] for row in rows], marker="o", label=name)
        axes.fill_between(counts, [row["low"] for row in rows], [row["high"] for row in rows], alpha=0.15)
    axes.set_xscale("log")
    ticks = sorted({row["labelled"] for row in figures})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("labelled patients")
    axes.set_ylabel("Dice of the kept-back patients, 95 % interval")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
