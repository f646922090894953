from dataclasses import replace

import pytest

from seg.advice_settings import Advise
from seg.advise.quadrant import choose_quadrant
from seg.advise.strategy import COPY_PASTE_EVIDENCE, FINETUNE_EVIDENCE, Start, choose_strategy
from seg.overrides import load_named

ALIKE, UNLIKE = choose_quadrant(40, 0.3), choose_quadrant(40, 1.9)
LIVER = Start(transfers=True, segments=True, labelled=5, unlabelled=20)


def test_unlabelled_scans_beside_a_model_are_used_and_the_evidence_is_named() -> None:
    found = choose_strategy(UNLIKE, LIVER, Advise())
    assert (found.strategy, found.words) == (("copy_paste",), ())
    assert found.why.endswith(UNLIKE.why)
    assert COPY_PASTE_EVIDENCE in found.why
    assert "20 unlabelled patients are there beside 5 labelled ones" in found.why
    assert "poor" not in found.why
    assert load_named("strategy", "copy_paste")


def test_with_one_or_two_labelled_patients_it_says_that_they_are_few() -> None:
    assert "0.297 with 1" in choose_strategy(UNLIKE, replace(LIVER, labelled=2), Advise()).why


@pytest.mark.parametrize(
    "start", [replace(LIVER, unlabelled=4), replace(LIVER, unlabelled=0), replace(LIVER, segments=False)]
)
def test_too_few_unlabelled_scans_or_bare_weights_leave_the_textbook(start: Start) -> None:
    found = choose_strategy(UNLIKE, start, Advise())
    assert (found.strategy, found.words, found.why) == (UNLIKE.strategy, UNLIKE.words, UNLIKE.why)


def test_the_share_of_unlabelled_patients_can_be_moved() -> None:
    few = replace(LIVER, unlabelled=4)
    assert choose_strategy(UNLIKE, few, Advise(unlabelled_share=0.8)).strategy == ("copy_paste",)
    assert choose_strategy(UNLIKE, replace(LIVER, unlabelled=0), Advise(unlabelled_share=0)).strategy == ("gradual",)


def test_frozen_features_are_left_for_fine_tuning_which_is_called_a_guess() -> None:
    found = choose_strategy(ALIKE, replace(LIVER, unlabelled=0), Advise())
    assert found.strategy == ("finetune",)
    assert FINETUNE_EVIDENCE in found.why
    assert "as a guess" in found.why


def test_a_large_target_keeps_the_textbook_since_nothing_else_was_measured() -> None:
    large = choose_quadrant(5000, 0.3)
    found = choose_strategy(large, LIVER, Advise())
    assert (found.strategy, found.words) == (large.strategy, large.words)


def test_the_textbook_alone_can_be_asked_for() -> None:
    assert choose_strategy(ALIKE, LIVER, Advise(textbook=True)).strategy == ("feature_extract",)


def test_from_nothing_there_is_nothing_to_transfer() -> None:
    found = choose_strategy(UNLIKE, replace(LIVER, transfers=False, segments=False), Advise())
    assert (found.strategy, found.words) == (("supervised",), ())
    assert "Nothing is transferred" in found.why
