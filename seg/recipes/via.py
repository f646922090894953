"""`seg transfer --via`: from organ to organ, keeping a step only where the target's validation did not fall."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from seg.config import Settings
from seg.errors import CheckpointError, UsageError
from seg.overrides import load_organ
from seg.recipes.components import met_needs, refuse_missing_needs, with_knobs
from seg.recipes.earlier import find_earlier
from seg.recipes.guard import source_guard
from seg.recipes.hop import PlannedHop, finetuned, or_finetuned, plan_hops, starting_from
from seg.recipes.lineage import named
from seg.recipes.opening import is_unbegun, refuse_taken
from seg.recipes.prepare import Checked, check_and_split, prepare_checked
from seg.recipes.probe import Probes, probe_folds
from seg.recipes.route import Hop, Route
from seg.recipes.source import find_origin, find_origins
from seg.recipes.stages import console_stages
from seg.recipes.start import refuse_bad_start
from seg.recipes.train import refuse_lone_pixel, refuse_mirrored_pairs, train
from seg.runs import Run
from seg.train.interrupt import Interrupted
from seg.transfer.component import Need

_OF_A_MODEL: tuple[Need, ...] = ("weights", "source model", "source scans")
"""What every organ that was trained on the way offers."""


@dataclass
class Way:
    """A step-by-step transfer: what is planned, and how far it is."""

    settings: Settings
    """Of the target's training, its first sources and the organs to go through."""
    target: Checked
    planned: tuple[PlannedHop, ...]
    probes: Probes
    console: Console
    sources: tuple[str, ...]
    """What the next training starts from."""
    hops: list[Hop] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def remark(self, line: str) -> None:
        """Print what a reader of the result must know as well."""
        self.say(line)
        self.remarks.append(line)


def transfer_via(
    settings: Settings, *, dry_run: bool = False, console: Console | None = None, new: bool = False
) -> Run | None:
    """Train the organs of `transfer.via` one after the other, each from the best start so far, then the target.

    A hop is a run of its own. It becomes the next start only if a probe, a short training on the target, reaches no
    lower a validation Dice from it than from the start before. Runs and probes that this command finished before are
    used again, and interrupted ones go on; `new` is about the target's run alone. Everything is checked before the
    first training begins.
    """
    way = plan_way(with_knobs(settings), console or Console(), new=new)
    describe(way)
    if dry_run:
        dry_run_all(way)
        return None
    try:
        for planned in way.planned:
            take(way, planned)
    except (Interrupted, KeyboardInterrupt):
        way.say("To go on with the whole way, give the same command again: what is finished is used.")
        raise
    return train_target(way, new=new)


def plan_way(settings: Settings, console: Console, *, new: bool = False) -> Way:
    """Check the target, every hop and what the strategy needs; nothing has been trained when this raises."""
    stages, origins = console_stages(console), find_origins(settings)
    refuse_taken_name(settings, new=new)
    refuse_mirrored_pairs(settings)
    refuse_lone_pixel(settings)
    refuse_bad_start(settings, origins)
    target = check_and_split(settings, stages)
    planned = plan_hops(settings, target, stages)
    # A hop that is kept is a model with scans of its own, whatever the first source is.
    refuse_missing_needs(settings, {*met_needs(settings, origins, target.split), *_OF_A_MODEL})
    probes = Probes(settings, probe_folds(target), console)
    return Way(settings, target, planned, probes, console, settings.transfer.source)


def describe(way: Way) -> None:
    """Print what is going to happen."""
    organs = [start_name(way.settings), *(planned.organ for planned in way.planned), ", ".join(way.settings.organ)]
    way.say(f"Way: {' > '.join(organs)}")
    for planned in way.planned:
        checked, train_settings = planned.checked, planned.settings.train
        length = (
            f"{train_settings.epochs:g} epochs" if train_settings.epochs else f"{train_settings.steps or 1000} steps"
        )
        patients = ", ".join(f"{len(who)} {side}" for side, who in checked.split.sides().items())
        way.say(f"  {planned.organ}: {length}, {patients} ({checked.data_set.root})")
    way.say(f"  {way.probes.judged()}")
    if way.settings.transfer.guard:
        way.say("  Guard: at the end another probe tries the target without what was learned on the way.")


def dry_run_all(way: Way) -> None:
    """A few steps of every hop and of the target, all from the first source, since the others are not there yet."""
    trainings = [*((planned.settings, planned.checked) for planned in way.planned), (way.settings, way.target)]
    for settings, checked in trainings:
        way.say(f"Dry run of {', '.join(settings.organ)}")

        def attempt(settings: Settings, checked: Checked = checked) -> None:
            train(settings, dry_run=True, console=way.console, checked=checked)

        _, refused = or_finetuned(starting_from(settings, way.sources), attempt)
        if refused:
            way.say(f"This was with finetune, as {refused} before an organ on the way was trained.")


def take(way: Way, planned: PlannedHop) -> None:
    """Train one hop from the start so far and decide whether it becomes the next start."""
    before = way.probes.score(way.sources)
    run = hop_run(way, planned)
    model = (str(run.folder.absolute()),)
    after = way.probes.score(model)
    kept = before is None or after is None or after >= before
    way.hops.append(Hop(planned.organ, run.name, run.settings().strategy, kept, before, after))
    way.say(way.hops[-1].sentence())
    if kept:
        way.sources = model


def hop_run(way: Way, planned: PlannedHop) -> Run:
    """The hop's finished run: made before, gone on with, or new."""
    way.say(f"On the way: {planned.organ}, from {named(way.sources[0])}")
    stages, origins = console_stages(way.console), find_origins(starting_from(way.settings, way.sources))

    def attempt(wished: Settings) -> Run:
        settings, earlier = find_earlier(wished, origins, lambda: prepare_checked(planned.checked, wished, stages))
        if earlier is not None and earlier.manifest().state == "finished":
            way.say(f"Finished before: {earlier.name}")
        else:
            train(settings, resume=earlier, console=way.console, checked=planned.checked)
        return Run(Path(settings.runs.folder) / settings.runs.name)

    run, refused = or_finetuned(starting_from(planned.settings, way.sources), attempt)
    if refused:
        way.remark(f"{planned.organ.capitalize()} was trained with finetune, as {refused}.")
    return run


def train_target(way: Way, *, new: bool = False) -> Run | None:
    """Train the target from the best start, which is the first one where no hop was kept."""
    remarks, wished = [*filter(None, [way.probes.remark]), *way.remarks], starting_from(way.settings, way.sources)
    route = Route(start_name(way.settings), wished.organ, tuple(way.hops), way.probes.judged(), tuple(remarks))
    way.say(f"The way to the target: {route.path}")

    def attempt(settings: Settings) -> Run | None:
        own = route
        if settings.strategy != wished.strategy:
            words = f"{', '.join(wished.strategy)} cannot run from {named(way.sources[0])}"
            way.remark(f"The target was trained with finetune, as {words}.")
            own = replace(route, remarks=(*route.remarks, way.remarks[-1]))
        guard = source_guard(settings, way.console, way.probes)
        return train(settings, console=way.console, checked=way.target, route=own, new=new, guard=guard)

    run, _ = or_finetuned(wished, attempt)
    return run


def start_name(settings: Settings) -> str:
    """Organs of the first source, else its name."""
    origin = find_origin(settings.transfer.source[0], Path(settings.runs.folder))
    return ", ".join(origin.organs) or named(origin.word)


def refuse_bad_way(settings: Settings) -> None:
    """Raise UsageError for a way that cannot be gone: unknown or repeated organs, start or target among them."""
    via, origins = settings.transfer.via, find_origins(settings)
    for organ in via:
        load_organ(organ)
    known = {*settings.organ, *(organ for origin in origins for organ in origin.organs)}
    wrong = [organ for number, organ in enumerate(via) if organ in known or organ in via[:number]]
    if wrong:
        raise UsageError(
            found=f"{', '.join(wrong)} in transfer.via={','.join(via)}",
            expected="organs that are neither the source's nor the target's, each once", fix="leave them out",
            code="via-organs",
        )  # fmt: skip
    stray = [organ for organ in settings.transfer.via_roots if organ not in via]
    if stray:
        raise UsageError(
            found=f"transfer.via_roots of {', '.join(stray)}", expected="scans of organs in transfer.via",
            fix=f"name the organs on the way: --via {','.join([*via, *stray])}", code="via-roots",
        )  # fmt: skip


def refuse_taken_name(settings: Settings, *, new: bool) -> None:
    """Raise UsageError now, not after every organ on the way, where the target's run cannot have its name."""
    run = Run(Path(settings.runs.folder) / settings.runs.name)
    if not settings.runs.name or not run.folder.exists() or is_unbegun(run):
        return
    with suppress(CheckpointError):
        # Which start the target will have, and by which strategy it can begin there, nobody knows yet.
        asked = run.asked()
        settings = starting_from(settings, asked.transfer.source)
        settings = finetuned(settings) if asked.strategy == ("finetune",) else settings
    refuse_taken(run, settings, new=new)
