"""`seg advise`: which source, and how, for a target; nothing is trained. Read it from top to bottom."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from rich.console import Console

from seg.advise.advice import Advice
from seg.advise.facts import take_facts
from seg.advise.rank import rank_sources
from seg.advise.strategy import Start, choose_strategy
from seg.config import Settings
from seg.errors import SegError
from seg.recipes.advised_command import transfer_command
from seg.recipes.advised_gains import with_gains
from seg.recipes.advised_looks import Looked, Target, look, refuse_nothing_looked_at
from seg.recipes.advised_map import map_of, way_to
from seg.recipes.advised_record import advised_source
from seg.recipes.advised_sources import Candidate, LeftOut, candidates, mistrusted
from seg.recipes.advised_words import doubts_of, sentences_of
from seg.recipes.prepare import Checked, Stage, check_and_split, prepare_checked
from seg.recipes.stages import console_stages
from seg.train.log import duration


def advise(settings: Settings, sources: Sequence[str] = (), console: Console | None = None) -> Advice:
    """What to transfer to the target of the settings, and how; the same scans and sources give the same advice.

    `sources` are words of `--from`; without any all finished runs of the runs folder, `model.weights` and `none` are
    looked at. Only the target's labelled training patients are looked at: nobody who validates or tests.
    """
    console = console or Console()
    if settings.train.threads is not None:
        torch.set_num_threads(settings.train.threads)
    found, left_out = candidates(settings, sources)
    stages = console_stages(console)
    checked = check_and_split(settings, stages)
    trusted = [one for one in found if one.asked or not mistrusted(one, checked)]
    left_out += [LeftOut(one.name, mistrusted(one, checked)) for one in found if one not in trusted]
    target = _target(settings, checked, stages)
    looked, unseen = _look_at_all(trusted, target, console)
    left_out += unseen
    refuse_nothing_looked_at(looked, [f"{one.name}: {one.why}" for one in left_out])
    return _advice(looked, left_out, target, checked)


def _target(settings: Settings, checked: Checked, stages: Stage) -> Target:
    """Of the checked patients the labelled ones that train; the others stay untouched."""
    own = replace(checked.split, validation=(), test=(), unlabelled=())
    prepared = prepare_checked(replace(checked, split=own), settings, stages)
    return Target(settings, prepared, take_facts(prepared.fingerprint, prepared.plan, prepared.train), stages)


def _look_at_all(found: Sequence[Candidate], target: Target, console: Console) -> tuple[list[Looked], list[LeftOut]]:
    looked, left_out = [], []
    start = time.monotonic()
    for number, candidate in enumerate(found, start=1):
        said, began = f"Source {number} of {len(found)}: {candidate.name}", time.monotonic()
        try:
            looked.append(look(candidate, target))
        except SegError as error:
            left_out.append(LeftOut(candidate.name, error.found))
            said += f" cannot be looked at: {error.found}"
        now = time.monotonic()
        left = (now - start) / number * (len(found) - number)
        ahead = f", about {duration(left)} left" if number < len(found) else ""
        line = f"{said} ({duration(now - began)}{ahead})"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return looked, left_out


def _advice(looked: Sequence[Looked], left_out: Sequence[LeftOut], target: Target, checked: Checked) -> Advice:
    settings, patients = target.settings, len(set(looked[0].target.patients))
    ranking = rank_sources({one.candidate.name: one.votes for one in looked}, patients)
    by_name = {one.candidate.name: one for one in looked}
    ordered = [by_name[standing.source] for standing in ranking.standings]
    sources = tuple(
        advised_source(standing, one, target, mistrusted(one.candidate, checked))
        for standing, one in zip(ranking.standings, ordered, strict=True)
    )
    best, unlabelled = ordered[0], len(checked.split.unlabelled)
    choice = choose_strategy(sources[0].quadrant, _start(best, target, unlabelled), settings.advise)
    plane = map_of(ordered, target)
    way = way_to(plane, best, ordered, settings, choice)
    advice = Advice(
        target=settings.organ,
        patients=target.facts.patients,
        labelled_slices=target.facts.labelled_slices,
        unlabelled=unlabelled,
        cases=len(best.target.cases),
        draws=ranking.draws,
        small_below=settings.advise.small_below,
        similar_below=settings.advise.similar_below,
        sentences=(),
        sources=sources,
        left_out=tuple((one.name, one.why) for one in left_out),
        strategy=choice.strategy,
        words=choice.words,
        why=choice.why,
        command=transfer_command(settings, best.candidate.origin, choice),
        told_apart=ranking.told_apart and patients > 1,
        path=way.organs,
        path_why=way.why,
        path_command=way.command,
        map=plane,
        doubts=(),
    )
    advice = replace(advice, sentences=sentences_of(advice, ranking), doubts=doubts_of(advice))
    return with_gains(advice, {one.candidate.name: one.candidate.origin.place for one in ordered}, settings)


def _start(best: Looked, target: Target, unlabelled: int) -> Start:
    origin, parts = best.candidate.origin, target.settings.transfer.parts
    return Start(
        transfers=origin.word != "none",
        segments=bool(origin.organs) and parts != "encoder",
        labelled=target.facts.patients,
        unlabelled=unlabelled,
    )
