"""`seg pretrain`: a network that learned to restore scans nobody labelled, as the source of later transfers."""

import math

import torch
from rich.console import Console

from seg.config import Settings
from seg.errors import UsageError
from seg.models.network import build_network
from seg.models.weights import require_weights
from seg.recipes.bookkeeping import note_state, note_training, refuse_other_data
from seg.recipes.components import with_knobs
from seg.recipes.dry_run import print_plan
from seg.recipes.ending import noted_end
from seg.recipes.lineage import start_lines
from seg.recipes.opening import opened
from seg.recipes.prepare import Prepared, Stage, prepare_checked
from seg.recipes.report import report
from seg.recipes.restored import save_restored
from seg.recipes.restoring import measure_restoration
from seg.recipes.stages import console_stages
from seg.recipes.together import by_first, in_turn, own_console, refuse_for_several, the_first_ones
from seg.recipes.train import make_training, open_run, refuse_lone_pixel, stream_batch_size
from seg.recipes.unlabelled import check_scans, held_out_cases, with_window
from seg.runs import Run
from seg.train.follower import log_of
from seg.train.log import duration
from seg.train.loop import fit
from seg.train.saved import restore
from seg.train.training import Progress, Training
from seg.transfer.restoration import Restoration

VERB = "pretrain"
"""What the manifest of such a run says."""


def pretrain(
    settings: Settings, *, dry_run: bool = False, resume: Run | None = None, console: Console | None = None,
    new: bool = False,
) -> Run | None:  # fmt: skip
    """Learn to restore the scans at `data.root` and measure it on patients held back; labels are not looked at.

    The run predicts no organ: its network has one mask channel that never learns and that a transfer leaves behind.
    With `dry_run` nothing is kept: the plan is printed and None returned. With `resume` the run goes on where it
    stopped; `settings` are then the run's own. Without it, an unfinished run that the same settings began goes on,
    unless `new`.
    """
    console = own_console(console)
    stages = console_stages(console)
    settings, resume = the_first_ones(settings, resume)
    if settings.train.threads is not None:
        torch.set_num_threads(settings.train.threads)
    refuse_other_routes(settings)
    refuse_lone_pixel(settings)
    refuse_for_several(settings)
    require_weights(settings.model)
    settings = with_window(with_knobs(settings))
    if dry_run:
        training, prepared = make_ready(settings, resume, stages)
        print_plan(training, prepared, training.start, console)
        return None

    with opened(settings, resume, console, own_name=VERB, new=new) as (run, resumed):
        training, prepared = make_ready(settings, run if resumed else None, stages)
        for line in start_lines(training, ()) if not resumed else ():
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        begin(run, training, prepared, resumed=resumed)
        with noted_end(run):
            progress = run_loop(run, training, console)
            note_training(run, training, progress)
            note_restoration(run, training, prepared, stages)
        note_state(run, "finished")
        page = report(run)
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)
    return run


def make_ready(settings: Settings, resume: Run | None, stages: Stage) -> tuple[Training, Prepared]:
    """Scans and network brought together for the loop; the scans of `resume` have to be what they were."""
    checked = check_scans(settings, stages, None if resume is None else resume.folder / "split.json")
    prepared = prepare_checked(checked, settings, stages)
    settings = with_steps(settings, prepared)
    if resume is not None:
        refuse_other_data(resume, prepared)
    torch.manual_seed(settings.train.seed)
    network, weights = in_turn("building the network")(build_network)(settings.model, 1, prepared.plan.input_channels)
    return make_training(settings, prepared, network, weights), prepared


@by_first("opening the run")
def begin(run: Run, training: Training, prepared: Prepared, *, resumed: bool) -> None:
    """Note what the run starts from; it carries no organ, so that none finds it."""
    open_run(run, training, prepared, resumed=resumed)
    slices = sum(len(case) for case in prepared.unlabelled)
    run.change_manifest(verb=VERB, organs=(), data={**run.manifest().data, "training_slices": slices})


def run_loop(run: Run, training: Training, console: Console) -> Progress:
    """The loop from the run's newest checkpoint, or from the start where there is none."""
    damages: list[str] = []
    progress = restore(training, run, Progress(training.total_steps), damages.append)
    cases = training.cases["unlabelled"]
    with log_of(training, run, progress, console) as log:
        for damage in damages:
            log.say(damage)
        verb = "Restoring" if progress.step == 0 else f"Going on after step {progress.step} with"
        log.say(
            f"{verb} {len(cases)} cases, {sum(len(case) for case in cases)} slices, {progress.total_steps} steps of"
            f" {training.batch_sizes['unlabelled']}, {training.precision.name} on {training.hardware}"
        )
        progress = fit(training, run, log, progress)
        log.say(f"Trained {progress.step} steps in {duration(progress.elapsed_s)}.")
    return progress


@by_first("restoring held-out scans")
def note_restoration(run: Run, training: Training, prepared: Prepared, stages: Stage) -> None:
    """Measure the restoration of the held-out patients and keep it."""
    component = next(one for one in training.components if isinstance(one, Restoration))
    cases = held_out_cases(prepared, training.settings, stages)
    outcome = measure_restoration(training, component, cases, stages("restoring held-out scans"))
    numbers = save_restored(run.folder, outcome)
    run.change_manifest(results={**run.manifest().results, "restoration": numbers})


def refuse_other_routes(settings: Settings) -> None:
    """Raise UsageError where the settings ask for more than restoration, such as a strategy that needs labels."""
    others = [name for name in settings.components if name != "restoration"]
    if others or settings.transfer.source:
        raise UsageError(
            found=f"pretraining with {', '.join([*others, *settings.transfer.source])}",
            expected="restoration alone, which reads scans without labels",
            fix="leave strategy and transfer.source out; model.weights says what the encoder starts from, and"
            " `seg transfer --from RUN` goes on with the result", code="pretrain-route",
        )  # fmt: skip


def with_steps(settings: Settings, prepared: Prepared) -> Settings:
    """The settings with `train.epochs`, passes over the unlabelled slices here, as `train.steps`."""
    if settings.train.epochs is None:
        return settings
    slices = sum(len(case) for case in prepared.unlabelled)
    steps = max(1, math.ceil(settings.train.epochs * slices / stream_batch_size("unlabelled", settings.train)))
    return settings.model_copy(update={"train": settings.train.model_copy(update={"steps": steps, "epochs": None})})
