"""Images per second of training from kept features against fine-tuning the same network and against freezing it; JSON.

finetune:        every weight learns.
finetune, split: the same with the decoder blocks of feature_extract, which take fewer multiply-adds to the same result.
freeze:          the encoder is frozen and runs in every step.
feature_extract: the encoder ran once before; decoder and heads learn from what was kept.
All four take the same steps of the real loop (loading, augmentation, losses, AdamW, averages) in turns in one process.
The ratios are medians over the rounds; the one in processor seconds hardly depends on what else the machine does.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch

from seg.config import Settings
from seg.data.phantom.layouts import write_phantoms
from seg.data.streams import Batches
from seg.models.network import SegNetwork, build_network
from seg.models.split_blocks import split_blocks
from seg.overrides import resolve
from seg.recipes.components import with_knobs
from seg.recipes.prepare import prepare
from seg.recipes.train import make_training
from seg.train.batches import training_batches
from seg.train.loop import take_step
from seg.train.training import Training

_WARM_UP = 2
"""Steps that are not timed; the first ones are slower."""


@dataclass
class _Arm:
    training: Training
    batches: Iterator[Batches]
    made_s: float
    """How long everything before the first step took."""
    step: int = 0
    wall_s: list[float] = field(default_factory=list)
    """Per round."""
    processor_s: list[float] = field(default_factory=list)

    def run(self, steps: int) -> tuple[float, float]:
        """Wall and processor seconds of some steps."""
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(steps):
            take_step(self.training, next(self.batches), self.step)
            self.step += 1
        if self.training.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - wall, time.process_time() - processor

    def take_turn(self, steps: int) -> None:
        """One round."""
        wall, processor = self.run(steps)
        self.wall_s.append(wall)
        self.processor_s.append(processor)


def _arm(settings: Settings, total_steps: int, split: bool) -> _Arm:
    start = time.perf_counter()
    prepared = prepare(settings)
    torch.manual_seed(0)
    network, weights = build_network(settings.model, 1, prepared.plan.input_channels)
    _learn_statistics(network, prepared.plan.input_channels)
    if split:
        split_blocks(network)
    training = make_training(settings, prepared, network, weights)
    return _Arm(training, training_batches(training, range(total_steps)), time.perf_counter() - start)


@torch.no_grad()
def _learn_statistics(network: SegNetwork, channels: int) -> None:
    """Frozen norms that have seen nothing would let the features of a deep random encoder grow without bounds."""
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(torch.rand(4, channels, 96, 96))
    for norm in norms:
        norm.momentum = 0.1


def main() -> dict[str, Any]:
    """Measure and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of each arm in a round")
    parser.add_argument("words", nargs="*", help="settings, such as model.encoder=resnet101 train.threads=2")
    given = parser.parse_args()
    total = _WARM_UP + given.rounds * given.steps
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_phantoms(folder / "pictures", "pictures", labelled=8, unlabelled=0, organ="liver")
        words = [
            "organ=liver", "model.weights=none", f"runs.folder={folder}/runs", "prepare.size_px=192",
            "train.steps=1000", f"data.root={folder}/pictures", "data.labels={liver:[1]}", *given.words,
        ]  # fmt: skip
        arms: dict[str, _Arm] = {}
        for name in ("finetune", "finetune, split", "freeze", "feature_extract"):
            strategy, _, split = name.partition(", ")
            own = [word for word in words if strategy == "feature_extract" or not word.startswith("feature_extract.")]
            settings = with_knobs(resolve([*own, f"strategy={strategy}"]))
            torch.set_num_threads(settings.train.threads or torch.get_num_threads())
            arms[name] = _arm(settings, total, bool(split))
            arms[name].run(_WARM_UP)
        for _ in range(given.rounds):
            for arm in arms.values():
                arm.take_turn(given.steps)
        kept = sum(path.stat().st_size for path in (folder / "runs" / ".cache" / "features").rglob("*.npy"))
    return _figures(settings, arms, given.steps, kept)


def _figures(settings: Settings, arms: dict[str, _Arm], steps: int, kept: int) -> dict[str, Any]:
    images, features = steps * settings.train.batch_size, arms["feature_extract"]
    cases = features.training.cases["labelled"]
    views = settings.components["feature_extract"]["views"]
    return {
        "encoder": settings.model.encoder,
        "size_px": settings.prepare.size_px,
        "batch_size": settings.train.batch_size,
        "precision": features.training.precision.name,
        "machine": f"{features.training.device.type}, {platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}",
        "images_per_s": {
            name: round(statistics.median(images / took for took in arm.wall_s), 2) for name, arm in arms.items()
        },
        "feature_extract / finetune": _ratio(arms["finetune"].wall_s, features.wall_s),
        "feature_extract / finetune, split": _ratio(arms["finetune, split"].wall_s, features.wall_s),
        "feature_extract / freeze": _ratio(arms["freeze"].wall_s, features.wall_s),
        "feature_extract / finetune in processor seconds": _ratio(arms["finetune"].processor_s, features.processor_s),
        "kept": {
            "slices": sum(len(case) for case in cases), "views": views, "mb": round(kept / 1e6),
            "made_before_the_first_step_s": round(features.made_s, 1),
        },
        "rounds": len(features.wall_s),
        "steps_per_round": steps,
    }  # fmt: skip


def _ratio(slow: list[float], fast: list[float]) -> dict[str, float]:
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    return {"median": round(statistics.median(ratios), 2), "min": round(ratios[0], 2), "max": round(ratios[-1], 2)}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
