"""`seg compare`: the statistics of a proof for finished runs that were tested on the same cases. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seg.evaluate.score import patient_means
from seg.overrides import config_names, load_organ
from seg.proof.scores import ScoreRow, ScoreTable
from seg.proof.verdict import verdict
from seg.recipes.compared_arms import ComparedArm, read_arms
from seg.recipes.compared_cases import DICE, common_organs, organs_of, refuse_other_cases, refuse_other_data
from seg.recipes.compared_files import write_comparison
from seg.recipes.comparison import ComparedOrgan, Comparison


def compare(words: Sequence[str], runs: Path, output: Path | None = None, show_names: bool = False) -> Comparison:
    """Judge every arm beside the first one, by the Dice of the same patients in whole scans.

    With `output` scores.json, verdict.json, table.csv and report.html are written there; where several organs are
    common, into a folder per organ.

    Raises:
        UsageError, CheckpointError, DataError: trainings that are not there, or cannot be compared.
        ResourceError: `output` cannot be written.
    """
    arms = read_arms(words, runs)
    organs = common_organs(arms)
    for organ in organs:
        refuse_other_cases(arms, organ)
    refuse_other_data(arms, organs)
    found = Comparison(arms, tuple(_judge(arms, organ) for organ in organs), tuple(_notes(arms, organs)))
    return found if output is None else replace(found, reports=write_comparison(found, output, show_names))


def _judge(arms: Sequence[ComparedArm], organ: str) -> ComparedOrgan:
    table = score_table(arms, organ)
    title = load_organ(organ).title if organ in config_names("organ") else organ
    verdicts = tuple(verdict(table, arm.name, arms[0].name, 0) for arm in arms[1:])
    return ComparedOrgan(organ, title, table, verdicts)


def score_table(arms: Sequence[ComparedArm], organ: str) -> ScoreTable:
    """Dice of every patient; the first trainings of all arms are paired, the second ones, and so on."""
    dice = {
        (arm.name, seed): patient_means(one.evaluation.cases, organ, DICE)
        for arm in arms
        for seed, one in enumerate(arm.trained)
    }
    patients = tuple(sorted(next(iter(dice.values()))))
    score_rows = (
        ScoreRow(arm, seed, 0, 0, tuple(values[patient] for patient in patients))
        for (arm, seed), values in dice.items()
    )
    return ScoreTable(patients, tuple(score_rows))


def _notes(arms: Sequence[ComparedArm], organs: Sequence[str]) -> Iterator[str]:
    """What was left out, and what a reader of the numbers must know."""
    trained = [one for arm in arms for one in arm.trained]
    if left := dict.fromkeys(organ for one in trained for organ in organs_of(one) if organ not in organs):
        yield f"Not scored in all, so left out: {', '.join(left)}."
    for arm in arms[1:]:
        pairs = zip(arms[0].trained, arm.trained, strict=False)
        seeds = [(one.manifest.seed, other.manifest.seed) for one, other in pairs if one.manifest and other.manifest]
        if differ := [f"{one} and {other}" for one, other in seeds if one != other]:
            yield (
                f"Trainings of {arms[0].name} and {arm.name} were paired in the order given; their seeds differ "
                f"({', '.join(differ)}), so draw and order of the data are not shared."
            )
    for one in trained:
        yield from (f"{one.name}: {note}" for note in one.evaluation.notes)
