"""Curves of finished trainings become the table of scores that every number of a proof is computed from."""

import math
from collections.abc import Iterable, Mapping, Sequence

from seg.data.splits import load_split
from seg.proof.curves import asymptote
from seg.proof.scores import ScoreRow, ScoreTable
from seg.recipes.arms import Arm
from seg.recipes.proof_folder import Asked, ProofFolder, state_of
from seg.records import CurveRow
from seg.train.watched_curve import KEY

Place = tuple[str, int, int]
"""Arm, size and seed of a training."""


def gather(folder: ProofFolder, asked: Asked) -> ScoreTable:
    """The scores of every finished training that was asked for; patients in the order of their names."""
    finished = {
        (arm.name, size, seed): run
        for arm in asked.trained
        for size in asked.sizes
        for seed in range(asked.seeds)
        if state_of(run := folder.run(arm, size, seed)) == "finished"
    }
    patients = {patient for run in finished.values() for patient in load_split(run.folder / "split.json").test}
    return table_of({place: run.curve_rows() for place, run in finished.items()}, patients)


def table_of(curves: Mapping[Place, Iterable[CurveRow]], patients: Iterable[str]) -> ScoreTable:
    """Dice of these patients along each training, from the end of its warm-up on.

    A patient whose Dice has no value at a step, because neither mask shows the organ, is None there.
    """
    cases = tuple(sorted(patients))
    rows = [row for place, curve in curves.items() for row in _rows(place, curve, cases)]
    return ScoreTable(cases, tuple(rows))


def _rows(place: Place, curve: Iterable[CurveRow], cases: tuple[str, ...]) -> list[ScoreRow]:
    arm, size, seed = place
    watched = {row.step: row.values for row in curve if any(name.startswith(KEY) for name in row.values)}
    start = min(watched, default=0)
    return [
        ScoreRow(arm, seed, size, step - start, tuple(watched[step].get(f"{KEY}{case}") for case in cases))
        for step in sorted(watched)
    ]


def mean_end(table: ScoreTable, arm: str, size: int, seeds: Sequence[int]) -> float | None:
    """Mean asymptote over these trainings and their patients with a Dice; None where there is none."""
    ends = [value for seed in seeds for value in asymptote(table.curve(arm, size, seed)[1]) if math.isfinite(value)]
    return sum(ends) / len(ends) if ends else None


def missing(table: ScoreTable, asked: Asked) -> tuple[str, ...]:
    """What was asked for and has no scores, in words, with the reason where one is known."""
    return tuple(
        _told(arm, size, seed, asked)
        for arm in asked.trained
        for size in asked.sizes
        for seed in range(asked.seeds)
        if seed not in table.seeds(arm.name, size)
    )


def _told(arm: Arm, size: int, seed: int, asked: Asked) -> str:
    patients = "1 labelled patient" if size == 1 else f"{size} labelled patients"
    reason = asked.failed.get(f"{arm.run}-{size}-{seed}", "not trained")
    return f"{arm.name} with {patients}, seed {seed}: {reason}"
