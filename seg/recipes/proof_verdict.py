"""What the scores of a proof say: verdicts, sentences, labels saved; from `scores.json` and `proof.json` alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seg.errors import DataError
from seg.proof.labels import label_efficiency
from seg.proof.scores import ScoreTable
from seg.proof.sentence import sentence
from seg.proof.table import Cell, record, rows
from seg.proof.verdict import Verdict, verdict
from seg.recipes.proof_folder import Asked
from seg.recipes.proof_scores import missing
from seg.report.numbers import count_text
from seg.report.proved.page import SavedLabels

SCHEMA = 1
_GRAVEST = {"hurt": 0, "in part": 1, "helped": 2, "no evidence": 3}


@dataclass(frozen=True)
class Proven:
    """What a proof says."""

    verdicts: tuple[Verdict, ...]
    """Of every transferring arm beside every baseline at every size, as far as both were trained."""
    sentences: tuple[str, ...]
    """The gravest first: a transfer that hurts is never said behind one that helps."""
    labels: tuple[SavedLabels, ...]
    missing: tuple[str, ...]
    """Trainings without scores, and pairs that could not be judged, in words."""

    @property
    def rows(self) -> list[dict[str, Cell]]:
        """One per verdict and measure."""
        return rows(self.verdicts)


def judge_scores(table: ScoreTable, asked: Asked) -> Proven:
    """The same scores give the same verdicts, in the order of arms, sizes and baselines."""
    verdicts, unjudged = [], []
    for arm, baseline, size in _pairs(asked):
        if not table.seeds(arm, size) or not table.seeds(baseline, size):
            continue
        try:
            verdicts.append(verdict(table, arm, baseline, size))
        except DataError as error:
            unjudged.append(f"{arm} beside {baseline} with {_labelled(size)}: {error.found}")
    return Proven(
        verdicts=tuple(verdicts),
        sentences=(*said(verdicts), *_twins(asked)),
        labels=_labels(table, asked),
        missing=(*missing(table, asked), *unjudged),
    )


def _pairs(asked: Asked) -> list[tuple[str, str, int]]:
    arms = [arm.name for arm in asked.trained if arm.transfers]
    baselines = [arm.name for arm in asked.trained if not arm.transfers]
    return [(arm, baseline, size) for arm in arms for size in asked.sizes for baseline in baselines]


def said(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """One sentence per verdict, the gravest first, behind one that sums them up where there are several."""
    ordered = sorted(verdicts, key=lambda one: _GRAVEST[_outcome(one)])
    each = tuple(f"With {_labelled(one.size)}: {sentence(one)}" for one in ordered)
    return (_summary(ordered), *each) if len(each) > 1 else each


def _twins(asked: Asked) -> tuple[str, ...]:
    return tuple(
        f"{arm.name} ({arm.meaning}) is the same training as {first.name}, so there is nothing to compare."
        for arm, first in asked.twins
    )


def _outcome(one: Verdict) -> str:
    return "in part" if one.negative_transfer and one.verdict != "hurt" else one.verdict


def _summary(ordered: Sequence[Verdict]) -> str:
    """What was found where, negative transfer first; comparisons without evidence are counted."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for one in ordered:
        found.setdefault((_outcome(one), one.arm, one.baseline), []).append(one.size)
    words = {"hurt": "hurt (negative transfer)", "in part": "hurt in part (negative transfer)", "helped": "helped"}
    parts = [
        f"{arm} {words[outcome]} compared with {baseline}, with {_sizes(sizes)}"
        for (outcome, arm, baseline), sizes in found.items()
        if outcome in words
    ]
    open_ones = sum(_outcome(one) == "no evidence" for one in ordered)
    if open_ones == len(ordered):
        return f"In none of {open_ones} comparisons is there evidence that a transfer helped or hurt."
    if open_ones:
        parts.append(f"in {open_ones} of {len(ordered)} comparisons there is no evidence that it helped or hurt")
    return f"{'; '.join(parts)}."


def _sizes(sizes: Iterable[int]) -> str:
    listed = [str(size) for size in sorted(sizes)]
    if len(listed) == 1:
        return _labelled(int(listed[0]))
    return f"{', '.join(listed[:-1])} and {listed[-1]} labelled patients"


def _labelled(size: int) -> str:
    return count_text(size, "labelled patient")


def _labels(table: ScoreTable, asked: Asked) -> tuple[SavedLabels, ...]:
    """Where both arms have two sizes or more with the same seeds and patients."""
    pairs = dict.fromkeys((arm, baseline) for arm, baseline, _ in _pairs(asked))
    found = []
    for arm, baseline in pairs:
        try:
            found.append(SavedLabels(arm, baseline, label_efficiency(table, arm, baseline)))
        except DataError:
            continue
    return tuple(found)


def to_json(proven: Proven) -> str:
    """`verdict.json`: everything that was said, and every number behind it."""
    said_so: dict[str, Any] = {
        "schema": SCHEMA,
        "sentences": proven.sentences,
        "verdicts": [record(one) for one in proven.verdicts],
        "rows": proven.rows,
        "labels": [asdict(saved) for saved in proven.labels],
        "missing": proven.missing,
    }  # fmt: skip
    return json.dumps(said_so, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
