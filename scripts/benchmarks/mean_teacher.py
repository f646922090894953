"""What a Mean Teacher step costs beside the work that nobody can save, and what its companions add; JSON.

mean_teacher: a step of the real loop after the warm-up: views, both passes, losses, AdamW, averages.
parts:        the student's forward, backward, clipping and AdamW step on the same slices, and one forward pass of the
              teacher, as a plain PyTorch script writes them; `Precision` has no part in it.
together:     the same parts with labelled and unlabelled slices in one pass, which mixes their norm statistics.
The others are mean_teacher steps with that companion. All take turns in one process on the same network and slices in
memory; ratios are medians over the rounds. Those in processor seconds hardly depend on what else the machine does.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from seg.config import Settings
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Intensity, Plan
from seg.data.streams import Batches
from seg.models.network import build_network
from seg.overrides import resolve
from seg.recipes.components import component_infos, with_knobs
from seg.train.loop import take_step
from seg.train.precision import Precision, choose_device, choose_precision
from seg.train.training import Training
from seg.transfer.component import Component, Forward, Task

_COMPANIONS = ("confidence", "uncertainty", "copy_paste")
_STRATEGY = "mean_teacher,confidence,uncertainty,copy_paste"
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CLIP_NORM = 5.0
_CASE = PreparedCase("a", "a", Path(), True, True, ())


class _Bench:
    """One network and all that takes a step with it."""

    def __init__(self, settings: Settings) -> None:
        self.plan = Plan(("liver",), (1,), 1.0, "mm", settings.prepare.size_px, 1, (Intensity("window", -160, 240),))
        device = choose_device(settings.train.device)
        task = Task(settings, self.plan, {"labelled": [_CASE], "unlabelled": [_CASE]}, None, (), Path())
        self.parts: dict[str, Component] = {
            name: info.make(task, info.settings.model_validate(settings.components[name]))
            for name, info in component_infos(settings).items()
        }
        torch.manual_seed(0)
        network, weights = build_network(settings.model, 1, 3)
        network.to(device).to(memory_format=torch.channels_last)
        if settings.train.compile:
            network.compile()
        self.training = Training(
            settings, self.plan, network, weights, list(self.parts.values()), {}, {}, (), device,
            Precision(choose_precision(settings.train.precision, device), device, _CLIP_NORM),
            settings.train.steps or 1000,
        )  # fmt: skip
        self.batches = {stream: self._slices(settings.train.batch_size) for stream in ("labelled", "unlabelled")}
        self.scaler = GradScaler(device.type, enabled=self.training.precision.name == "fp16")
        self.averaging_s = 0.0
        self._time_averages()

    def _slices(self, count: int) -> Batch:
        images = torch.rand(count, 3, self.plan.size_px, self.plan.size_px)
        masks = (images[:, :1] > 0.7).float()
        batch = Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("",) * count)
        return batch.to(self.training.device, torch.channels_last)

    def _time_averages(self) -> None:
        average = self.training.ema
        assert average is not None
        update = average.update

        def timed(model: torch.nn.Module) -> None:
            start = self.now()
            update(model)
            self.averaging_s += self.now() - start

        average.update = timed  # type: ignore[method-assign]

    def now(self) -> float:
        """Processor seconds; on a GPU wall seconds, when all that was asked of it is done."""
        if self.training.device.type == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def step(self, *companions: str) -> None:
        """One of the loop, when all weights have risen."""
        names = [name for name in self.parts if name not in _COMPANIONS or name in companions]
        self.training.components = [self.parts[name] for name in names]
        take_step(self.training, self.batches, self.training.total_steps - 1)

    def autocast(self) -> torch.autocast:
        """Of the training's number format, without the training's help."""
        name = self.training.precision.name
        return torch.autocast(self.training.device.type, _TYPES[name], enabled=name != "fp32")

    def in_parts(self, passes: Callable[[Forward, Batches], Tensor]) -> None:
        """The student's step with that loss, and a pass of the teacher."""
        training = self.training
        network, teacher = training.network.train(), training.teacher
        assert teacher is not None
        with self.autocast():
            loss = passes(Forward(network, self.batches), self.batches)
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.unscale_(training.optimizer)
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP_NORM)
        self.scaler.step(training.optimizer)
        self.scaler.update()
        training.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad(), self.autocast():
            teacher(self.batches["unlabelled"].images)

    def apart(self, forward: Forward, batches: Batches) -> Tensor:
        """Both streams one after the other, with the supervised losses and the plainest one without labels."""
        terms = self.parts["supervised"].losses(forward, 0)
        return torch.stack(list(terms.values())).sum() + forward.output("unlabelled").masks.float().sigmoid().mean()

    def together(self, forward: Forward, batches: Batches) -> Tensor:
        """Both streams as one batch."""
        one, other = batches["labelled"], batches["unlabelled"]
        both = Batch(
            torch.cat([one.images, other.images]), torch.cat([one.masks, other.masks]),
            torch.cat([one.valid, other.valid]), one.where + other.where,
        )  # fmt: skip
        terms = self.parts["supervised"].losses(Forward(forward.network, {"labelled": both}), 0)
        return torch.stack(list(terms.values())).sum()


def _measure(settings: Settings, rounds: int) -> dict[str, Any]:
    bench = _Bench(settings)
    ema = bench.training.ema
    assert ema is not None
    arms: dict[str, Callable[[], None]] = {
        "mean_teacher": bench.step,
        "parts": lambda: bench.in_parts(bench.apart),
        "together": lambda: bench.in_parts(bench.together),
        **{name: lambda name=name: bench.step(name) for name in _COMPANIONS},  # type: ignore[misc]
    }
    processor: dict[str, list[float]] = {name: [] for name in arms}
    wall: dict[str, list[float]] = {name: [] for name in arms}
    shares = []
    for number in range(rounds + 1):
        print(f"{settings.model.encoder}: round {number} of {rounds}", file=sys.stderr)
        first = number % len(arms)
        # Another one begins each round: what runs after what matters to caches.
        for name, arm in [*list(arms.items())[first:], *list(arms.items())[:first]]:
            bench.averaging_s, start, begun = 0.0, bench.now(), time.perf_counter()
            # As many as lie between two looks of the averages, so that every turn has one.
            for _ in range(ema.update_every):
                arm()
            processor[name].append(bench.now() - start)
            wall[name].append(time.perf_counter() - begun)
            if name == "mean_teacher":
                shares.append(bench.averaging_s / processor[name][-1])
    base = statistics.median(processor["mean_teacher"][1:]) / ema.update_every
    return {
        "encoder": settings.model.encoder,
        "slices": f"{settings.train.batch_size} labelled, {settings.train.batch_size} unlabelled",
        "size_px": settings.prepare.size_px,
        "precision": bench.training.precision.name,
        "compiled": settings.train.compile,
        "mean_teacher_step_s": round(base, 3),
        "mean_teacher / parts": _ratio(processor, "mean_teacher", "parts"),
        "mean_teacher / parts, wall": _ratio(wall, "mean_teacher", "parts"),
        "mean_teacher / together": _ratio(processor, "mean_teacher", "together"),
        "averages / mean_teacher": round(statistics.median(shares[1:]), 4),
        "averages updated every": ema.update_every,
        **{f"{name} / mean_teacher": _ratio(processor, name, "mean_teacher") for name in _COMPANIONS},
    }


def _ratio(times: dict[str, list[float]], one: str, other: str) -> dict[str, float]:
    # The first round is slower.
    ratios = sorted(a / b for a, b in zip(times[one][1:], times[other][1:], strict=True))
    return {"median": round(statistics.median(ratios), 3), "min": round(ratios[0], 3), "max": round(ratios[-1], 3)}


def main() -> dict[str, Any]:
    """Measure and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoders", default="resnet50,mobilenet_v2", help="separated by commas")
    parser.add_argument("words", nargs="*", help="settings, such as train.threads=1 prepare.size_px=256")
    given = parser.parse_args()
    found = []
    for encoder in given.encoders.split(","):
        words = [f"strategy={_STRATEGY}", "model.weights=none", "prepare.size_px=192", "train.batch_size=4"]
        settings = with_knobs(resolve([*words, f"model.encoder={encoder}", *given.words]))
        if settings.train.threads is not None:
            torch.set_num_threads(settings.train.threads)
        found.append(_measure(settings, given.rounds))
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return {"machine": machine, "rounds": given.rounds, "encoders": found}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
