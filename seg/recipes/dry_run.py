"""`seg train --dry-run`: one batch through everything, and what the training would take."""

import time

from rich.console import Console

from seg.models.weights import WeightReport
from seg.recipes.bookkeeping import peak_memory_mb
from seg.recipes.prepare import Prepared
from seg.train.batches import training_batches
from seg.train.log import duration
from seg.train.loop import take_step
from seg.train.training import Training
from seg.train.validate import MOST_SLICES

_STEPS = 3
"""The first one is slower; the last one is timed."""


def print_plan(training: Training, prepared: Prepared, weights: WeightReport, console: Console) -> None:
    """Take a few steps on real batches and print slices, steps, memory and the estimated time."""
    step_s = _seconds_per_step(training)
    checked, plan, settings = prepared.checked, prepared.plan, training.settings
    validated = sum(min(len(case), MOST_SLICES) for case in prepared.validation) * settings.train.validations
    # A forward pass takes about a third of a training step.
    seconds = step_s * (training.total_steps + validated / settings.train.batch_size / 3)
    patients = ", ".join(f"{len(who)} {side}" for side, who in checked.split.sides().items())
    parameters = sum(p.numel() for p in training.network.parameters())
    rows = [
        ("data", f"{checked.data_set.root} ({checked.data_set.format})"),
        ("patients", patients),
        ("training slices", str(sum(len(case) for case in prepared.train or prepared.unlabelled))),
        ("network grid", f"{plan.size_px} x {plan.size_px} pixels of {plan.spacing:.4g} {plan.unit}"),
        ("input channels", str(plan.input_channels)),
        ("intensities", ", ".join(f"{i.kind} {i.low:g} to {i.high:g}" for i in plan.intensities)),
        ("network", f"{settings.model.encoder}, {parameters / 1e6:.1f} million parameters, weights {weights.source}"),
        ("steps", f"{training.total_steps} of {settings.train.batch_size} slices"),
        ("precision", f"{training.precision.name} on {training.device.type}"),
        ("speed", f"{settings.train.batch_size / step_s:.1f} images/s"),
        ("memory", f"{peak_memory_mb(training.device)} MB"),
        ("estimated time", duration(seconds)),
    ]  # fmt: skip
    for what, value in rows:
        console.print(f"{what:>16}  {value}", highlight=False, markup=False, soft_wrap=True)
    for note in weights.notes:
        console.print(f"{'note':>16}  {note}", highlight=False, markup=False, soft_wrap=True)


def _seconds_per_step(training: Training) -> float:
    took = 0.0
    for step, batches in enumerate(training_batches(training, range(_STEPS))):
        start = time.perf_counter()
        take_step(training, batches, step)
        took = time.perf_counter() - start
    return took
