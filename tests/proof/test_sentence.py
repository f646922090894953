import pytest

from seg.proof.labels import LabelEfficiency
from seg.proof.power import Needed
from seg.proof.sentence import compared_sentence, labels_sentence, sentence
from seg.proof.verdict import Judged, Verdict, overall, spoken_against


def _row(measure, estimate, low, high, word="no evidence", cases=20, seeds=3):
    return Judged(
        measure=measure, arm=0.7, baseline=0.6, estimate=estimate, low=low, high=high, p_cases=0.01, p=0.01,
        case_sd=0.04, seed_sd=0.01, rest_sd=0.03, cases=cases, seeds=seeds, p_holm=0.03, verdict=word, detectable=0.05,
    )  # fmt: skip


def _verdict(*rows, needed=None):
    end = next(row for row in rows if row.measure in ("asymptote", "final"))
    word = overall({row.measure: row.verdict for row in rows}, spoken_against(end.estimate, end.low, end.high))
    return Verdict("finetune", "scratch", 5, word, rows, needed, 0.01, 0, (), None, ())


NOT_START = _row("start", 0.002, -0.02, 0.03)
NOT_SLOPE = _row("slope", None, None, None)
NOT_END = _row("asymptote", 0.008, -0.015, 0.031)
HIGH_START = _row("start", 0.12, 0.08, 0.16, "helped")
SLOWER = _row("slope", -0.03, -0.04, -0.02, "hurt")
ON = "compared with scratch, on 20 patients and 3 trainings of each, it"
STARTED = "started 12.0 Dice points higher (95 % interval 8.0 to 16.0)"
LEARNED = "learned more slowly (3.0 Dice points by half of the way, 95 % interval 2.0 to 4.0)"


@pytest.mark.parametrize(
    ("rows", "needed", "expected"),
    [
        (
            (HIGH_START, NOT_SLOPE, _row("asymptote", 0.031, 0.012, 0.05, "helped")),
            None,
            f"finetune helped: {ON} ended 3.1 Dice points higher (95 % interval 1.2 to 5.0) and {STARTED}.",
        ),
        (
            (HIGH_START, NOT_SLOPE, _row("asymptote", -0.031, -0.05, -0.012, "hurt")),
            None,
            f"finetune hurt (negative transfer): {ON} ended 3.1 Dice points lower (95 % interval 1.2 to 5.0), although "
            f"it {STARTED}.",
        ),
        ((NOT_START, SLOWER, NOT_END), None, f"finetune hurt (negative transfer): {ON} {LEARNED}."),
        (
            (HIGH_START, SLOWER, NOT_END),
            None,
            f"There is no evidence that finetune helped or hurt on the whole: {ON} {STARTED}, but it {LEARNED} "
            "(negative transfer).",
        ),
        (
            (HIGH_START, NOT_SLOPE, _row("asymptote", -0.115, -0.21, -0.02)),
            None,
            f"There is no evidence that finetune helped or hurt: {ON} {STARTED}, but it ended 11.5 Dice points lower "
            "(95 % interval 2.0 to 21.0), which can be chance where several are measured.",
        ),
        (
            (NOT_START, NOT_SLOPE, NOT_END),
            Needed(0.01, 140, 5),
            f"There is no evidence that finetune helped or hurt: {ON} ended 0.8 Dice points higher (95 % interval -1.5 "
            "to 3.1); to find a true difference of 1.0 in 9 of 10 such experiments, about 140 patients and 5 trainings "
            "of each would be needed.",
        ),
        (
            (_row("final", -0.02, -0.03, -0.01, "hurt", seeds=1),),
            None,
            "finetune hurt (negative transfer): compared with scratch, on 20 patients and one training of each, it was "
            "2.0 Dice points worse (95 % interval 1.0 to 3.0); of other trainings this says nothing.",
        ),
    ],
)
def test_a_verdict_is_one_sentence(rows, needed, expected):
    assert sentence(_verdict(*rows, needed=needed)) == expected


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (
            _row("final", 0.2, None, None, cases=1),
            "on one patient and 3 trainings of each, it was 20.0 Dice points better",
        ),
        (_row("final", 0.2, None, None, cases=1), ", and one patient says nothing about others"),
        (_row("final", 0.2, 0.1, 0.3, cases=5), ", which so few patients can show by chance"),
        (_row("final", 0.005, 0.001, 0.009), ", which is less than the 1.0 that count"),
        (_row("final", 0.02, 0.001, 0.04), ", which can be chance where several are measured"),
    ],
)
def test_why_a_difference_that_looks_clear_is_no_evidence_is_said(row, part):
    assert part in sentence(_verdict(row))


def test_a_wish_that_no_experiment_can_meet_is_said():
    found = sentence(_verdict(NOT_END, needed=Needed(0.01, None, 30)))
    assert "not even 1,000 patients and 30 trainings of each would be enough" in found


@pytest.mark.parametrize(
    ("row", "needed", "expected"),
    [
        (
            _row("final", 0.031, 0.012, 0.05, "helped"),
            None,
            f"finetune is better: {ON} was 3.1 Dice points better (95 % interval 1.2 to 5.0).",
        ),
        (
            _row("final", -0.031, -0.05, -0.012, "hurt", seeds=1),
            None,
            "finetune is worse: compared with scratch, on 20 patients and one training of each, it was 3.1 Dice points "
            "worse (95 % interval 1.2 to 5.0); of other trainings this says nothing.",
        ),
        (
            _row("final", 0.008, -0.015, 0.031),
            Needed(0.01, 140, 3),
            f"There is no evidence that finetune is better or worse: {ON} was 0.8 Dice points better (95 % interval "
            "-1.5 to 3.1); to find a true difference of 1.0 in 9 of 10 such experiments, about 140 patients and 3 "
            "trainings of each would be needed.",
        ),
    ],
)
def test_finished_models_are_better_worse_or_neither(row, needed, expected):
    assert compared_sentence(_verdict(row, needed=needed)) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            LabelEfficiency(0.612, 2.6, 10.0, 3.846, "", 1.2, 5.0),
            "finetune needs 2.6 labelled patients for the Dice of 0.612 that scratch has with 10: 3.8 times fewer (95 "
            "% interval of the ratio 1.2 to 5.0).",
        ),
        (
            LabelEfficiency(0.612, 2.0, 10.0, 5.0, "at least", 4.0, 5.0),
            "finetune needs 2 labelled patients, the fewest that were tried, for the Dice of 0.612 that scratch has "
            "with 10: at least 5.0 times fewer (95 % interval of the ratio 4.0 to 5.0).",
        ),
        (
            LabelEfficiency(0.612, 1.0, 1.0, 1.0, "", 0.5, 1.0),
            "finetune needs 1 labelled patient for the Dice of 0.612 that scratch has with 1: as many (95 % interval "
            "of the ratio 0.5 to 1.0).",
        ),
        (
            LabelEfficiency(0.612, 10.0, 5.0, 0.5, "", 0.0, 1.0),
            "finetune needs 10 labelled patients for the Dice of 0.612 that scratch has with 5: 2.0 times more (95 % "
            "interval of the ratio 0.0 to 1.0).",
        ),
        (
            LabelEfficiency(0.612, None, 10.0, 0.0, "below 1", 0.0, 0.9),
            "finetune does not reach the Dice of 0.612 that scratch has with 10, with any number of labelled patients "
            "that was tried.",
        ),
    ],
)
def test_labels_that_an_arm_saves_are_one_sentence(found, expected):
    assert labels_sentence("finetune", "scratch", found) == expected
