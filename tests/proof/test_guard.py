import json
from dataclasses import asdict

import numpy as np
import pytest

from seg.proof.guard import judge
from seg.proof.guarded import Guarded, Probed, guarded_from
from seg.proof.pairs import Pair
from seg.proof.verdict import verdict_on


def _judged(ours: list[float], theirs: list[float], margin: float = 0.01) -> Guarded:
    arms = [
        Probed(words, {f"p{number}": dice for number, dice in enumerate(values)}, 50, 1, 30.0)
        for words, values in (("finetune from liver", ours), ("plain training from nothing", theirs))
    ]
    return judge(arms[0], arms[1], f"{len(ours)} validation patients", margin)


LOW = [0.30, 0.34, 0.28, 0.41, 0.36, 0.33, 0.25, 0.38]
HIGH = [0.47, 0.45, 0.44, 0.52, 0.55, 0.46, 0.39, 0.51]


@pytest.mark.parametrize("count", [2, 3, 5, 6, 8])
def test_the_words_follow_the_interval_whichever_side_is_better(count):
    worse, better = _judged(LOW[:count], HIGH[:count]), _judged(HIGH[:count], LOW[:count])
    assert worse.verdict == "hurt" if count > 2 else worse.verdict in ("hurt", "no evidence")
    assert (better.verdict == "helped") == (worse.verdict == "hurt")
    assert (worse.low, worse.high) == pytest.approx((-better.high, -better.low))
    assert worse.low < worse.estimate < worse.high
    assert worse.hurt != better.hurt or not worse.hurt


def test_from_six_patients_on_it_is_the_verdict_of_a_proof_with_one_evaluation():
    found = _judged(LOW, HIGH)
    (row,) = verdict_on(Pair(np.array([[LOW]]), np.array([[HIGH]]), np.zeros(1)), "a", "b", 0).measures
    assert (found.verdict, found.low, found.high) == (row.verdict, row.low, row.high)


def test_two_patients_that_disagree_are_no_evidence_however_far_apart():
    found = _judged([0.2, 0.4], [0.5, 0.42])
    assert (found.verdict, found.estimate) == ("no evidence", pytest.approx(-0.16))
    assert found.low < -1 < 0 < found.high


def test_a_difference_below_the_margin_does_not_count_however_certain():
    theirs = [dice + 0.005 for dice in LOW]
    assert _judged(LOW, theirs).verdict == "no evidence"
    assert _judged(LOW, theirs, margin=0.001).verdict == "hurt"
    assert _judged(LOW[:4], theirs[:4]).verdict == "no evidence"


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([0.1], [0.9])])
def test_nobody_or_one_patient_cannot_say(ours, theirs):
    found = _judged(ours, theirs)
    assert (found.verdict, found.low, found.high, found.hurt) == ("cannot say", None, None, False)
    assert "The guard cannot say whether finetune from liver helps or hurts" in found.sentence()


def test_patients_that_one_side_alone_scored_do_not_count():
    ours, theirs = Probed("a", {"x": 0.2, "y": 0.3, "only": 0.9}, 5, 1), Probed("b", {"x": 0.4, "y": 0.6}, 5, 1)
    found = judge(ours, theirs, "3 validation patients")
    assert (found.common, found.estimate) == (("x", "y"), pytest.approx(-0.25))
    assert (found.dice(ours), found.dice(theirs)) == (0.25, 0.5)


def test_a_fallback_that_has_hardly_begun_says_nothing_for_the_source():
    late = [0.03, 0.04, 0.01, 0.02, 0.0, 0.08, 0.03, 0.03]
    found = _judged(LOW, late)
    assert found.verdict == "cannot say"
    assert "below 0.1 it has hardly begun to learn, so transfer.probe_steps should be raised" in found.sentence()
    assert _judged(late, HIGH).verdict == "hurt"
    assert _judged([0.0] * 8, [0.0] * 8).verdict == "cannot say"


def test_the_same_patients_in_another_order_give_the_same():
    order = np.random.default_rng(0).permutation(len(LOW))
    names = [f"p{place}" for place in order]
    shuffled = judge(
        Probed("a", dict(zip(names, np.array(LOW)[order].tolist(), strict=True)), 50, 1),
        Probed("b", dict(zip(names, np.array(HIGH)[order].tolist(), strict=True)), 50, 1),
        "8 validation patients",
    )
    plain = _judged(LOW, HIGH)
    assert (shuffled.estimate, shuffled.low, shuffled.high) == (plain.estimate, plain.low, plain.high)


def test_what_is_kept_as_json_comes_back():
    for found in (_judged(LOW, HIGH), _judged([], [])):
        assert guarded_from(json.loads(json.dumps(asdict(found)))) == found
    assert (_judged(LOW, HIGH).steps, _judged(LOW, HIGH).seconds) == (100, 60.0)


@pytest.mark.parametrize(
    ("found", "begins", "ends"),
    [
        (_judged(LOW, HIGH), "Negative transfer: finetune from liver hurts. In short trainings of 50 steps, judged on "
         "8 validation patients, it reaches a mean Dice of 0.331, plain training from nothing 0.474: 14.3 Dice points "
         "worse (95 % interval ", "So this model is made by plain training from nothing instead."),
        (_judged(HIGH, LOW), "The guard found that finetune from liver helps early on. In", ")."),
        (_judged(LOW, LOW), "The guard found no evidence that finetune from liver helps or hurts. In", "0.0)."),
    ],
)  # fmt: skip
def test_the_sentence_says_verdict_figures_and_consequence(found, begins, ends):
    assert found.sentence().startswith(begins)
    assert found.sentence().endswith(ends)


def test_where_neither_side_has_begun_a_source_is_not_blamed():
    assert _judged([0.0, 0.01, 0.0], [0.04, 0.05, 0.04]).verdict == "cannot say"
    assert _judged([0.0, 0.01, 0.0], [0.34, 0.35, 0.34]).verdict == "hurt"
