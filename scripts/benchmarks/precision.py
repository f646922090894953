"""Images per second, memory and Dice of number formats, eager and compiled, after equal steps; JSON.

loop: `seg.train.loop.fit` as `seg train` runs it, on synthetic abdomens, with the loader and all that is logged.
bare: autocast, forward, losses, backward, clipping and AdamW step of the same network on one batch that lies on the
      device, as a plain PyTorch script writes them; `Precision` has no part in it.
share of the matrix peak: arithmetic of the bare step, as torch counts it, by what large matrices reach in that format.
Formats: fp32, tf32, bf16, fp16, each also as `FORMAT+compiled`. A CPU has fp32 and bf16, and takes smaller matrices.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from rich.console import Console
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.utils.flop_counter import FlopCounterMode

from seg.config import Settings
from seg.data.dataset import Batch
from seg.data.phantom.layouts import write_phantoms
from seg.models.network import SegNetwork, build_network
from seg.overrides import resolve
from seg.recipes.bookkeeping import peak_memory_mb
from seg.recipes.prepare import Prepared, prepare
from seg.recipes.train import make_training
from seg.runs import Run
from seg.train.log import TrainingLog
from seg.train.loop import fit
from seg.train.precision import set_tf32
from seg.train.training import Progress, Training
from seg.transfer.component import Component, Forward

_FORMATS = ("fp32", "tf32", "bf16", "fp16")
_TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MULTIPLICATIONS = 10


class _Ticks(Component):
    """Notes when each step was taken."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def after_step(self, network: SegNetwork, step: int) -> None:
        self.times.append(time.perf_counter())


def _words(arm: str) -> list[str]:
    name, _, compiled = arm.partition("+")
    if name not in _FORMATS or compiled not in ("", "compiled"):
        raise SystemExit(f"{arm}: one of {', '.join(_FORMATS)}, with +compiled or without")
    precision = "fp32" if name == "tf32" else name
    return [
        f"train.precision={precision}", f"train.tf32={str(name == 'tf32').lower()}",
        f"train.compile={str(bool(compiled)).lower()}",
    ]  # fmt: skip


def _training(settings: Settings, prepared: Prepared) -> Training:
    torch.manual_seed(0)
    network, weights = build_network(settings.model, 1, prepared.plan.input_channels)
    return make_training(settings, prepared, network, weights)


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        # Linux only; elsewhere the peak is that of all arms so far.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def _peak_mb(device: torch.device) -> int:
    status = Path("/proc/self/status")
    if device.type == "cuda" or not status.exists():
        return peak_memory_mb(device)
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) // 1000


def _loop(settings: Settings, prepared: Prepared, folder: Path) -> dict[str, Any]:
    """Speed without the first third of the steps, which warm up; Dice after the last one."""
    _reset_peak()
    training, ticks = _training(settings, prepared), _Ticks()
    training.components = [*training.components, ticks]
    folder.mkdir()
    with TrainingLog(Run(folder), training.total_steps, 0, Console(quiet=True), tensorboard=False) as log:
        progress = fit(training, Run(folder), log, Progress(training.total_steps))
    first = len(ticks.times) // 3
    speed = settings.train.batch_size * (len(ticks.times) - 1 - first) / (ticks.times[-1] - ticks.times[first])
    return {
        "loop images/s": round(speed, 2), "peak memory MB": _peak_mb(training.device),
        "Dice": round(progress.best_dice, 4), "skipped steps": training.precision.skipped_steps,
    }  # fmt: skip


def _bare_step(training: Training, batch: Batch, scaler: GradScaler) -> None:
    name, network, optimizer = training.precision.name, training.network.train(), training.optimizer
    with torch.autocast(training.device.type, _TYPES[name], enabled=name != "fp32"):
        terms = training.components[0].losses(Forward(network, {"labelled": batch}), 0)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
    torch.autograd.backward(scaler.scale(loss))
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(network.parameters(), training.settings.optim.clip_norm or float("inf"))
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)


def _scaler(training: Training) -> GradScaler:
    return GradScaler(training.device.type, enabled=training.precision.name == "fp16")


def _ready(training: Training) -> Batch:
    side, size = training.plan.size_px, training.settings.train.batch_size
    images = torch.rand(size, training.plan.input_channels, side, side)
    masks = (images[:, :1] > 0.7).float()
    batch = Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("",) * size)
    return batch.to(training.device, torch.channels_last)


def _wait(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _bare(settings: Settings, prepared: Prepared, steps: int) -> float:
    """Images per second."""
    training = _training(settings, prepared)
    batch, scaler = _ready(training), _scaler(training)
    for _ in range(3):
        _bare_step(training, batch, scaler)
    start = _wait(training.device)
    for _ in range(steps):
        _bare_step(training, batch, scaler)
    return settings.train.batch_size * steps / (_wait(training.device) - start)


def _flop_per_image(settings: Settings, prepared: Prepared) -> float:
    """Arithmetic of a training step: multiplications and additions of convolutions and matrices, forward and back."""
    training = _training(settings, prepared)
    with FlopCounterMode(display=False) as counter:
        _bare_step(training, _ready(training), _scaler(training))
    return counter.get_total_flops() / settings.train.batch_size


def _matrix_peak(name: str, device: torch.device) -> float:
    """FLOP/s of the best of some multiplications of large square matrices."""
    set_tf32(name == "tf32")
    side = 8192 if device.type == "cuda" else 1024
    one, other = (torch.randn(side, side, device=device, dtype=_TYPES[name]) for _ in range(2))
    best = float("inf")
    for _ in range(_MULTIPLICATIONS):
        start = _wait(device)
        product: Tensor = one @ other
        best = min(best, _wait(device) - start)
    return 2 * side**3 / best if product.numel() else 0.0


def _measure(side: int, arms: Sequence[str], given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    data = write_phantoms(folder / "abdomen", "decathlon", labelled=given.cases, unlabelled=0, size=(20, side, side))
    words = [
        "organ=liver", f"data.root={data}", "model.weights=none", f"prepare.size_px={side}",
        f"train.steps={given.steps}", "train.validations=1", "train.tensorboard=false", *given.words,
    ]  # fmt: skip
    shared = resolve([*words, *_words("fp32")])
    prepared = prepare(shared)
    device = _training(shared, prepared).device
    flop = _flop_per_image(shared, prepared)
    found: dict[str, Any] = {}
    for number, arm in enumerate(arms):
        print(f"{side} px: {arm}", file=sys.stderr)
        torch.compiler.reset()
        settings = resolve([*words, *_words(arm)])
        peak = _matrix_peak(arm.partition("+")[0], device)
        bare = _bare(settings, prepared, given.bare_steps)
        row = _loop(settings, prepared, folder / f"run-{number}")
        found[arm] = {
            "bare images/s": round(bare, 2), **row, "loop / bare": round(row["loop images/s"] / bare, 3),
            "matrix peak TFLOP/s": round(peak / 1e12, 3), "bare / matrix peak": round(flop * bare / peak, 3),
        }  # fmt: skip
    return {
        "size_px": side, "encoder": shared.model.encoder, "batch_size": shared.train.batch_size,
        "steps": given.steps, "GFLOP per image and step": round(flop / 1e9, 1), "formats": found,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and return the figures."""
    gpu = torch.cuda.is_available()
    formats = _FORMATS if gpu else ("fp32", "bf16")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="256,512", help="in pixels, separated by commas")
    parser.add_argument("--formats", default=",".join([*formats, *(f"{name}+compiled" for name in formats)]))
    parser.add_argument("--steps", type=int, default=300 if gpu else 30, help="of each loop")
    parser.add_argument("--bare-steps", type=int, default=50 if gpu else 5)
    parser.add_argument("--cases", type=int, default=10, help="synthetic abdomens")
    parser.add_argument("words", nargs="*", help="settings, such as model.encoder=resnet18 train.batch_size=16")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        found = [
            _measure(int(side), given.formats.split(","), given, Path(name) / side) for side in given.sizes.split(",")
        ]
    device = torch.cuda.get_device_name() if gpu else f"{platform.machine()}, {torch.get_num_threads()} threads"
    return {"machine": f"{device}, torch {torch.__version__}", "sizes": found}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
