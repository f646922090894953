import json
from dataclasses import replace

import numpy as np
import pytest

from seg.proof.scores import ScoreRow, ScoreTable
from seg.proof.table import rows
from seg.recipes.proof_verdict import judge_scores, to_json

ENDS = {"scratch": 0.5, "imagenet": 0.6, "finetune": 0.7, "freeze": 0.5}


@pytest.fixture
def scored():
    """A table of curves that rise to a height per arm, 12 patients, 3 seeds, of which some ends are changed."""

    def made(arms, sizes=(5,), seeds=3, **ends):
        heights = {**ENDS, **ends}
        noise = np.random.default_rng(0)
        every = [
            ScoreRow(
                arm, seed, size, step,
                tuple(float(heights[arm] * share + 0.01 * noise.standard_normal() + 0.02) for _ in range(12)),
            )
            for arm in arms for size in sizes for seed in range(seeds)
            for step, share in ((0, 0.2), (5, 0.8), (10, 1.0))
        ]  # fmt: skip
        return ScoreTable(tuple(f"p{number:02d}" for number in range(12)), tuple(every))

    return made


def test_every_transferring_arm_is_judged_against_every_baseline_at_every_size(scored, make_asked):
    arms = ["scratch", "imagenet", "finetune", "freeze"]
    found = judge_scores(scored(arms, (2, 5)), make_asked(arms, sizes=(2, 5)))
    assert [(one.arm, one.size, one.baseline) for one in found.verdicts] == [
        (arm, size, baseline)
        for arm in ("finetune", "freeze")
        for size in (2, 5)
        for baseline in ("scratch", "imagenet")
    ]
    assert (len(found.sentences), len(found.labels), found.missing) == (9, 4, ())
    assert found.rows == rows(found.verdicts)


def test_a_negative_transfer_is_said_in_the_first_sentence_even_beside_one_that_helped(scored, make_asked):
    arms = ["scratch", "finetune", "freeze"]
    found = judge_scores(scored(arms, freeze=0.3), make_asked(arms))
    first, second, third = found.sentences
    assert first == (
        "freeze hurt (negative transfer) compared with scratch, with 5 labelled patients; "
        "finetune helped compared with scratch, with 5 labelled patients."
    )
    assert second.startswith("With 5 labelled patients: freeze hurt (negative transfer): compared with scratch")
    assert third.startswith("With 5 labelled patients: finetune helped: ")


def test_a_single_comparison_is_one_sentence(scored, make_asked):
    found = judge_scores(scored(["scratch", "finetune"]), make_asked(["scratch", "finetune"]))
    assert [line.startswith("With 5 labelled patients: finetune helped") for line in found.sentences] == [True]


def test_harm_in_part_is_said_first_as_well(scored, make_asked):
    table = scored(["scratch", "finetune"], (1, 5, 10))
    worse = [
        replace(row, dice=(0.0,) * 12) if (row.arm, row.step, row.size) == ("finetune", 0, 10) else row
        for row in table.rows
    ]
    found = judge_scores(replace(table, rows=tuple(worse)), make_asked(["scratch", "finetune"], sizes=(1, 5, 10)))
    assert found.sentences[0] == (
        "finetune hurt in part (negative transfer) compared with scratch, with 10 labelled patients; "
        "finetune helped compared with scratch, with 1 and 5 labelled patients."
    )


def test_comparisons_without_evidence_are_counted(scored, make_asked):
    arms = ["scratch", "imagenet", "finetune"]
    one = judge_scores(scored(arms, finetune=0.6), make_asked(arms)).sentences[0]
    assert one == (
        "finetune helped compared with scratch, with 5 labelled patients; "
        "in 1 of 2 comparisons there is no evidence that it helped or hurt."
    )
    none = judge_scores(scored(arms, finetune=0.5, imagenet=0.5), make_asked(arms)).sentences[0]
    assert none == "In none of 2 comparisons is there evidence that a transfer helped or hurt."


def test_the_same_scores_give_the_same_bytes(scored, make_asked):
    arms, table = ["scratch", "finetune"], scored(["scratch", "finetune"], (2, 5))
    texts = {to_json(judge_scores(table, make_asked(arms, sizes=(2, 5)))) for _ in range(2)}
    assert len(texts) == 1
    record = json.loads(texts.pop())
    assert [one["verdict"] for one in record["verdicts"]] == ["helped", "helped"]
    assert {row["measure"] for row in record["rows"]} == {"start", "slope", "asymptote", "area"}
    assert record["labels"][0]["efficiency"]["bound"] == "at least"


def test_what_cannot_be_paired_is_said_and_the_rest_is_judged(scored, make_asked):
    arms = ["scratch", "finetune"]
    table = scored(arms, (2, 5))
    without = [row for row in table.rows if (row.arm, row.size) != ("finetune", 2)]
    lone = [row for row in without if (row.arm, row.seed, row.size) != ("finetune", 0, 5)]
    found = judge_scores(replace(table, rows=tuple(lone)), make_asked(arms, sizes=(2, 5)))
    assert [(one.size, one.unpaired) for one in found.verdicts] == [(5, (0,))]
    assert len(found.missing) == 4
    other_steps = [replace(row, step=row.step + 1) if row.arm == "finetune" else row for row in table.rows]
    unequal = judge_scores(replace(table, rows=tuple(other_steps)), make_asked(arms, sizes=(2, 5)))
    assert unequal.verdicts == ()
    assert unequal.missing[0].startswith("finetune beside scratch with 2 labelled patients: evaluations of")


def test_a_training_is_not_compared_with_itself(scored, make_asked):
    asked = make_asked(["auto", "scratch", "finetune"], same={"auto": "scratch"})
    found = judge_scores(scored(["scratch", "finetune"]), asked)
    assert [one.arm for one in found.verdicts] == ["finetune"]
    assert found.sentences[-1] == (
        "auto (auto in words) is the same training as scratch, so there is nothing to compare."
    )
    assert found.missing == ()
