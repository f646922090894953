"""`seg train`, from scans on disk to a report: read it from top to bottom."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import torch
from rich.console import Console

from seg.config import Settings, Train
from seg.data.cache import PreparedCase
from seg.data.order import SliceOrder
from seg.errors import UsageError
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.overrides import load_organ
from seg.processes import leads
from seg.proof.guarded import KEY, Guarded
from seg.recipes.bookkeeping import note_finish, note_results, note_start, note_training, refuse_other_data
from seg.recipes.components import (
    fitted_to_labels,
    has_labels_elsewhere,
    make_components,
    needs_source_scans,
    refuse_start_without_needs,
    with_knobs,
)
from seg.recipes.dry_run import print_plan
from seg.recipes.ending import noted_end
from seg.recipes.guarded import Guard, guarded_settings
from seg.recipes.judge import Judged, decide_largest, judge
from seg.recipes.lineage import start_lines
from seg.recipes.opening import opened
from seg.recipes.prepare import Checked, Prepared, Stage, cache_folder, check_and_split, prepare_checked, prepare_tested
from seg.recipes.report import report
from seg.recipes.route import Route, note_route
from seg.recipes.source import Origin, find_origins, source_model
from seg.recipes.source_place import refuse_other_source
from seg.recipes.source_scans import source_cases
from seg.recipes.stages import console_stages
from seg.recipes.start import refuse_bad_start, start_network
from seg.recipes.together import (
    by_first,
    in_turn,
    own_console,
    refuse_for_several,
    the_first_ones,
)
from seg.recipes.trained import load_trained
from seg.recipes.written import write_label_table
from seg.runs import Run, remove_leftovers
from seg.train.compiled import compile_network
from seg.train.follower import log_of
from seg.train.log import duration
from seg.train.loop import fit
from seg.train.precision import Precision, choose_device, choose_precision, set_tf32
from seg.train.saved import restore
from seg.train.training import Progress, Training
from seg.transfer.component import Task


def train(
    settings: Settings, *, dry_run: bool = False, resume: Run | None = None, console: Console | None = None,
    checked: Checked | None = None, route: Route | None = None, new: bool = False, guard: Guard | None = None,
) -> Run | None:  # fmt: skip
    """Train the organs of the settings and judge the model on patients it never saw.

    With `dry_run` nothing is kept: the plan is printed and None returned. With `resume` the run goes on where it
    stopped, on its own split; `settings` are then the run's own. Without it, an unfinished run that the same settings
    began goes on, unless `new`. `checked` are the data where they were checked and split before, and `route` is kept as
    the way to the start. A new run trains what the `guard` decides.
    """
    console = own_console(console)
    stages = console_stages(console)
    settings, resume = the_first_ones(settings, resume)
    if settings.train.threads is not None:
        torch.set_num_threads(settings.train.threads)
    for refuse in (refuse_way, refuse_mirrored_pairs, refuse_lone_pixel, refuse_for_several):
        refuse(settings)
    settings, origins = with_knobs(settings), find_origins(settings)
    for refuse_start in (refuse_bad_start, refuse_start_without_needs):
        refuse_start(settings, origins)
    if dry_run:
        training, prepared = make_ready(settings, origins, checked, resume, stages)
        print_plan(training, prepared, training.start, console)
        if guard is not None:
            console.print(guard.planned(settings, prepared.checked), highlight=False, markup=False, soft_wrap=True)
        return None

    with opened(settings, resume, console, new=new) as (run, resumed):
        begun = run if resumed else None
        settings, checked, guarded = guarded_settings(guard, settings, checked, begun, stages)
        origins = find_origins(settings)
        training, prepared = make_ready(settings, origins, checked, begun, stages)
        if not resumed:
            console.print("\n".join(start_lines(training, origins)), highlight=False, markup=False, soft_wrap=True)
        open_run(run, training, prepared, origins, resumed=resumed, route=route, guarded=guarded)
        train_and_judge(run, training, prepared.checked, console)
        page = report(run)
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)
    return run


def make_ready(
    settings: Settings, origins: Sequence[Origin], checked: Checked | None, resume: Run | None, stages: Stage
) -> tuple[Training, Prepared]:
    """Data, start and strategy brought together for the loop; those of `resume` have to be what they were."""
    if resume is not None:
        refuse_other_source(resume, origins)
    if checked is None:
        split = None if resume is None else resume.folder / "split.json"
        checked = check_and_split(settings, stages, split, labels_elsewhere=has_labels_elsewhere(settings, origins))
    settings = fitted_to_labels(settings, origins, checked.split)
    prepared = prepare_checked(checked, settings, stages)
    if resume is not None:
        refuse_other_data(resume, prepared)
    source = source_cases(origins, prepared.plan, settings, stages) if needs_source_scans(settings) else []
    watched = prepare_tested(prepared, settings, stages) if settings.evaluate.curve else ()
    torch.manual_seed(settings.train.seed)
    network, weights = start_network(settings, prepared.plan, origins)
    return make_training(settings, prepared, network, weights, origins, source, watched), prepared


def train_and_judge(run: Run, training: Training, checked: Checked, console: Console) -> None:
    """The loop and what it came to."""
    with noted_end(run):
        progress = run_loop(run, training, console)
        note_training(run, training, progress)
        judged = judge_run(run, training.settings, checked, console_stages(console))
    note_finish(run, judged)


@by_first("opening the run")
def open_run(
    run: Run, training: Training, prepared: Prepared, origins: Sequence[Origin] = (), *, resumed: bool,
    route: Route | None = None, guarded: Guarded | None = None,
) -> None:  # fmt: skip
    """Note what the run starts from, or that it goes on, without what a killed process was writing."""
    if resumed:
        remove_leftovers(run)
        run.change_manifest(state="running")
    else:
        run.write_settings(training.settings)
        note_start(run, training, prepared, origins, {} if guarded is None else {KEY: asdict(guarded)})
        if route is not None:
            note_route(run, replace(route, left=guarded is not None and guarded.hurt))


def run_loop(run: Run, training: Training, console: Console) -> Progress:
    """The loop from the run's newest checkpoint, or from the start where there is none."""
    damages: list[str] = []
    progress = restore(training, run, Progress(training.total_steps), damages.append)
    settings = training.settings
    with log_of(training, run, progress, console) as log:
        for damage in damages:
            log.say(damage)
        organs = ", ".join(settings.organ)
        learned = training.cases.get("labelled") or training.cases["source"]
        slices = sum(len(case) for case in learned)
        verb = "Training" if progress.step == 0 else f"Going on after step {progress.step} with"
        log.say(
            f"{verb} {organs}: {len(learned)} cases, {slices} slices, {progress.total_steps} steps"
            f" of {settings.train.batch_size}, {training.precision.name} on {training.hardware}"
        )
        progress = fit(training, run, log, progress)
        log.say(f"Trained {progress.step} steps in {duration(progress.elapsed_s)}.")
    return progress


def judge_run(run: Run, settings: Settings, checked: Checked, stages: Stage) -> Judged:
    """Decide the post-processing on the validation patients, then predict and score the test patients."""
    trained = load_trained(run, settings)
    if settings.predict.keep_largest == "auto":
        validation = checked.cases(checked.split.validation)
        decisions = decide_largest(trained, checked, validation, settings, stages("deciding on small parts"))
        kept = {organ: decision.keep for organ, decision in decisions.items()}
        note_results(run, {"keep_largest": kept})
        trained = load_trained(run, settings)
    cases = checked.cases(checked.split.test)
    judged = judge(trained, checked, cases, settings, run.predictions, stages("judging"))
    if leads():
        write_label_table(run.predictions, trained.plan.organs, trained.plan.organ_values)
    return judged


def refuse_way(settings: Settings) -> None:
    """Raise UsageError where the settings name organs to go through, which one training alone cannot do."""
    if settings.transfer.via:
        raise UsageError(
            found=f"transfer.via={','.join(settings.transfer.via)} for a single training",
            expected="organs on the way of a transfer",
            fix=f"seg transfer --from SOURCE --via {','.join(settings.transfer.via)} --to {','.join(settings.organ)}",
            code="via-train",
        )  # fmt: skip


def refuse_mirrored_pairs(settings: Settings) -> None:
    """Raise UsageError where left-right flips would teach a network to mistake left for right."""
    paired = [name for name in settings.organ if load_organ(name).paired]
    if paired and "left_right" in (*settings.augment.flip, *settings.predict.flips):
        raise UsageError(
            found=f"left_right flips for {', '.join(paired)}, whose left and right are told apart",
            expected="no left_right in augment.flip and predict.flips", fix="remove it", code="mirrored-pair",
        )  # fmt: skip


def refuse_lone_pixel(settings: Settings) -> None:
    """Raise UsageError where a batch comes to one single value per channel, which cannot be normalised."""
    if settings.train.batch_size == 1 and settings.prepare.size_px == 32:
        raise UsageError(
            found="train.batch_size=1 with prepare.size_px=32", expected="two slices, or 64 pixels",
            fix="raise one of the two", code="bad-value",
        )  # fmt: skip


@in_turn("preparing the strategy")
def make_training(
    settings: Settings, prepared: Prepared, network: SegNetwork, start: WeightReport,
    origins: Sequence[Origin] = (), source: Sequence[PreparedCase] = (), watched: Sequence[PreparedCase] = (),
) -> Training:  # fmt: skip
    """Network, components, data and optimiser put together for the loop; `source` are the scans of `origins`.

    `watched` are test patients that are scored along the way.
    """
    found = {"labelled": prepared.train, "unlabelled": prepared.unlabelled, "source": source}
    cases = {stream: scans for stream, scans in found.items() if scans}
    components = make_components(settings, make_task(settings, prepared, cases, origins))
    device = choose_device(settings.train.device)
    set_tf32(settings.train.tf32)
    layout = torch.channels_last if settings.train.channels_last else torch.contiguous_format
    network.to(device).to(memory_format=layout)
    if settings.train.compile:
        compile_network(network)
    streams = dict.fromkeys(stream for component in components for stream in component.streams())
    return Training(
        settings=settings,
        plan=prepared.plan,
        network=network,
        start=start,
        components=components,
        cases={stream: cases[stream] for stream in streams},
        batch_sizes={stream: stream_batch_size(stream, settings.train) for stream in streams},
        validation=prepared.validation,
        device=device,
        precision=Precision(choose_precision(settings.train.precision, device), device, settings.optim.clip_norm),
        total_steps=wanted_steps(settings, prepared.train or source),
        watched=watched,
    )


def make_task(
    settings: Settings, prepared: Prepared, cases: Mapping[str, Sequence[PreparedCase]], origins: Sequence[Origin]
) -> Task:
    """What the components are made for."""
    task = Task(
        settings=settings,
        plan=prepared.plan,
        cases=cases,
        source=source_model(origins),
        source_organs=origins[0].organs if origins else (),
        cache=cache_folder(settings),
    )
    return task if leads() else replace(task, say=lambda line: None)


def stream_batch_size(stream: str, settings: Train) -> int:
    """Slices of a stream in every step."""
    own = {"unlabelled": settings.unlabelled_batch_size, "source": settings.source_batch_size}.get(stream)
    return own or settings.batch_size


def wanted_steps(settings: Settings, labelled: Sequence[PreparedCase]) -> int:
    """`train.epochs` in steps where it is given, else `train.steps`."""
    if settings.train.epochs is None:
        return settings.train.steps or 1000
    order = SliceOrder(labelled, settings.train.seed, settings.train.foreground_fraction)
    return max(1, math.ceil(settings.train.epochs * order.epoch_length / settings.train.batch_size))
