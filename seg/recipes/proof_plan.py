"""What a proof is going to train, from what a command asks and what commands before it asked."""

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from seg.config import Settings
from seg.errors import UsageError
from seg.processes import several
from seg.recipes.arms import asked_names, read_arms, refuse_repeated, refuse_unjudged, scratch
from seg.recipes.earlier import run_name
from seg.recipes.lineage import named
from seg.recipes.proof_checks import Planned
from seg.recipes.proof_choice import Chooser
from seg.recipes.proof_folder import FOLDER, Asked, ProofFolder, read_asked, refuse_other_proof
from seg.recipes.proof_settings import (
    Given,
    arm_settings,
    base_settings,
    refuse_unused_knobs,
    shared_settings,
    training_settings,
)
from seg.recipes.source import find_origin
from seg.report.numbers import count_text
from seg.runs import versions


@dataclass(frozen=True)
class Question:
    """What a command asks."""

    given: Given
    sources: tuple[str, ...]
    """A strategy alone starts from the first one, whose network all arms have; the advice chooses among all."""
    arms: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: int
    name: str = ""
    """Of the proof; empty makes one of first source and target."""


@dataclass(frozen=True)
class Plan:
    """A proof whose trainings are known."""

    folder: ProofFolder
    asked: Asked
    """By this command and those before it."""
    trainings: tuple[Planned, ...]
    """Of this command; two arms that are the same training have one between them."""


def folder_of(question: Question) -> ProofFolder:
    """Where the proof lies; nothing is made."""
    name = question.name or run_name(named(question.sources[0]), "to", *question.given.target)
    return ProofFolder(Path(base_settings(question.given).runs.folder).absolute() / FOLDER / name)


def refuse_bad_question(question: Question) -> None:
    """Raise UsageError for what can be refused before anything is looked at."""
    refuse_repeated(question.sources, "--from")
    refuse_repeated(question.arms, "--arms")
    refuse_repeated([str(size) for size in question.sizes], "--sizes")
    wrong = [("--sizes", size) for size in question.sizes if size < 1]
    wrong += [("--seeds", question.seeds)] if question.seeds < 1 else []
    if wrong:
        raise UsageError(
            found=f"{wrong[0][0]} with {wrong[0][1]}", expected="1 or more", fix="correct the number", code="bad-value"
        )
    if run_name(question.name) != question.name:
        raise UsageError(
            found=f"--name {question.name}", expected="letters, digits, dots, hyphens and underscores, at most 90",
            fix=f"use such a name, for example {run_name(question.name) or 'proof'}", code="bad-value",
        )  # fmt: skip
    if several():
        raise UsageError(
            found="a proof in several processes that train together", expected="one process, which starts others",
            fix="leave torchrun out, and use --launcher processes --workers N", code="proof-ranks",
        )  # fmt: skip


def plan_proof(question: Question, folder: ProofFolder, console: Console) -> Plan:
    """Arms, sizes and seeds as trainings with settings of their own; where the folder holds a proof, as its going on.

    Raises:
        UsageError: words that cannot be meant, or other settings than those the proof was begun with.
    """
    earlier = read_asked(folder) if folder.asked.exists() else None
    given, runs = question.given, Path(base_settings(question.given).runs.folder)
    known = {} if earlier is None else earlier.sources
    sources = {word: known.get(word) or find_origin(word, runs).place for word in question.sources}
    network = next(iter(sources.values()))
    fewest = min(question.sizes)

    def without_transfer() -> Settings:
        return training_settings(arm_settings(given, scratch(), network, folder), scratch(), fewest, 0)

    choose = Chooser(without_transfer, tuple(sources.values()), console)
    arms = read_arms(question.arms, network, runs, choose, () if earlier is None else earlier.arms)
    refuse_unjudged(arms)
    refuse_unused_knobs(given, arms)
    own = {arm.name: arm_settings(given, arm, network, folder) for arm in arms}
    asked = Asked(
        target=given.target, sources=sources, arms=arms, sizes=tuple(sorted(question.sizes)), seeds=question.seeds,
        settings=shared_settings(list(own.values())), advice=choose.advice, versions=versions(),
    )  # fmt: skip
    if earlier is not None:
        refuse_other_proof(folder, earlier, asked)
        asked = earlier.joined(asked)
    wanted = {asked.arm(name).run: asked.arm(name) for name in reversed(asked_names(question.arms))}
    trainings = tuple(
        Planned(arm, size, seed, training_settings(own[arm.name], arm, size, seed))
        for seed in range(question.seeds)
        for size in sorted(question.sizes)
        for arm in reversed(wanted.values())
    )
    return Plan(folder, replace(asked, failed={}), trainings)


def describe(plan: Plan, console: Console) -> None:
    """Print what is going to happen."""

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    finished = sum(one.finished for one in plan.trainings)
    say(f"Proof: {plan.folder.folder}")
    for arm in plan.asked.arms:
        say(f"  {arm.name}: {arm.meaning}{'' if arm.transfers else ' (baseline)'}")
    sizes, settings = sorted({one.size for one in plan.trainings}), plan.trainings[0].settings
    seeds = len({one.seed for one in plan.trainings})
    length = f"{settings.train.epochs:g} epochs" if settings.train.epochs else f"{settings.train.steps or 1000} steps"
    say(
        f"  {count_text(len(plan.trainings), 'training')} of {length}: {', '.join(map(str, sizes))} labelled patients, "
        f"{count_text(seeds, 'seed')} each; {finished} finished before"
    )
