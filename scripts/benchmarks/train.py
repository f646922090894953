"""Images per second inside the training loop against ready tensors, and against a plain fp32 script; JSON.

loop:  `seg.train.loop.fit` as `seg train` runs it: cache, augmentation, losses, AdamW, EMA, logging.
ready: forward, losses, backward and AdamW step of the same network in the same precision on one batch in memory.
plain: segmentation-models-pytorch and a DataLoader in fp32, the way most tutorials write it.
All three take turns in one process; the ratios are medians over the rounds.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import albumentations as A
import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from rich.console import Console

from seg.config import Settings
from seg.data.dataset import Batch
from seg.data.phantom.layouts import write_phantoms
from seg.models.network import build_network
from seg.overrides import resolve
from seg.recipes.prepare import Prepared, prepare
from seg.recipes.train import make_training
from seg.runs import Run
from seg.train.log import TrainingLog
from seg.train.loop import fit
from seg.train.training import Progress, Training
from seg.transfer.component import Forward


class _TimedLog(TrainingLog):
    """Notes when each row comes; rows come every ten steps."""

    def row(self, step: int, values: Any) -> None:
        super().row(step, values)
        self.times = {**getattr(self, "times", {}), step: time.perf_counter()}


def _training(settings: Settings, prepared: Prepared) -> Training:
    torch.manual_seed(0)
    network, weights = build_network(settings.model, 1, prepared.plan.input_channels)
    return make_training(settings, prepared, network, weights)


def _loop(settings: Settings, prepared: Prepared, folder: Path) -> float:
    """Images per second between the rows of step 10 and the last one."""
    training = _training(settings, prepared)
    training.validation = ()
    run = Run(folder)
    folder.mkdir(exist_ok=True)
    quiet = Console(quiet=True)
    with _TimedLog(run, training.total_steps, 0, quiet, settings.train.tensorboard) as log:
        fit(training, run, log, Progress(training.total_steps))
        took = log.times[training.total_steps] - log.times[10]
    return settings.train.batch_size * (training.total_steps - 10) / took


def _ready(settings: Settings, prepared: Prepared, steps: int) -> float:
    training = _training(settings, prepared)
    network, size = training.network.train(), settings.train.batch_size
    side = prepared.plan.size_px
    layout = torch.channels_last
    images = torch.rand(size, prepared.plan.input_channels, side, side).to(training.device, memory_format=layout)
    masks = (torch.rand(size, 1, side, side, device=training.device) > 0.7).float()
    batch = Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("",) * size)
    times = []
    for _ in range(steps + 2):
        with training.precision.autocast():
            forward = Forward(network, {"labelled": batch})
            terms = training.components[0].losses(forward, 0)
        torch.stack(list(terms.values())).sum().backward()
        training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)
        if training.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())
    return size * steps / (times[-1] - times[1])


class _Pictures(torch.utils.data.Dataset[Any]):
    def __init__(self, root: Path, side: int) -> None:
        self.files = sorted((root / "images").iterdir())
        self.labels = root / "labels"
        self.change = A.Compose(
            [
                A.Resize(side, side), A.Affine(rotate=(-15, 15), scale=(0.85, 1.15), p=0.9),
                A.RandomBrightnessContrast(p=0.7), A.RandomGamma(p=0.4), A.GaussNoise(p=0.4),
            ]
        )  # fmt: skip

    def __len__(self) -> int:
        return 100_000

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        file = self.files[index % len(self.files)]
        image = cv2.cvtColor(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2RGB)
        mask = (cv2.imread(str(self.labels / file.name), cv2.IMREAD_UNCHANGED) == 1).astype(np.float32)
        changed = self.change(image=image, mask=mask)
        image = (changed["image"].astype(np.float32) / 255 - 0.45) / 0.22
        return torch.from_numpy(image.transpose(2, 0, 1)), torch.from_numpy(changed["mask"])[None]


def _plain(settings: Settings, pictures: Path, steps: int) -> float:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = smp.Unet(settings.model.encoder, encoder_weights=None).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4)
    dice, entropy = smp.losses.DiceLoss("binary"), torch.nn.BCEWithLogitsLoss()
    loader = torch.utils.data.DataLoader(
        _Pictures(pictures, settings.prepare.size_px), batch_size=settings.train.batch_size, shuffle=True, num_workers=2
    )
    times = []
    for images, masks in loader:
        logits = network(images.to(device))
        loss = dice(logits, masks.to(device)) + entropy(logits, masks.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter())
        if len(times) == steps + 2:
            break
    return settings.train.batch_size * steps / (times[-1] - times[1])


def main() -> dict[str, Any]:
    """Measure and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--plain-steps", type=int, default=4)
    parser.add_argument("words", nargs="*", help="settings, such as model.encoder=resnet18")
    given = parser.parse_args()
    speeds: dict[str, list[float]] = {"loop": [], "ready": [], "plain": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(folder / "pictures", "pictures", labelled=8, unlabelled=0, organ="liver")
        words = [
            "model.weights=none", f"runs.folder={folder}/runs", f"train.steps={10 + given.steps}",
            "train.validations=1", "prepare.size_px=192",
            f"data.root={folder}/pictures", "data.labels={liver:[1]}", *given.words,
        ]  # fmt: skip
        settings = resolve(words)
        prepared = prepare(settings)
        for number in range(given.rounds):
            speeds["loop"].append(_loop(settings, prepared, folder / f"run-{number}"))
            speeds["ready"].append(_ready(settings, prepared, given.steps))
            speeds["plain"].append(_plain(settings, folder / "pictures", given.plain_steps))
    return {
        "encoder": settings.model.encoder,
        "size_px": settings.prepare.size_px,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "images_per_s": {name: round(statistics.median(values), 2) for name, values in speeds.items()},
        "loop / ready": _ratio(speeds["loop"], speeds["ready"]),
        "loop / plain": _ratio(speeds["loop"], speeds["plain"]),
        "rounds": given.rounds,
    }


def _ratio(one: list[float], other: list[float]) -> dict[str, float]:
    ratios = sorted(a / b for a, b in zip(one, other, strict=True))
    return {"median": round(statistics.median(ratios), 3), "min": round(ratios[0], 3), "max": round(ratios[-1], 3)}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
