import dataclasses
from collections.abc import Callable

import pytest

from seg.records import Interval
from seg.report.html import render
from seg.report.page import Page
from seg.report.restoration import RestorationOutcome
from seg.report.restored import restored_sentence
from tests.report.conftest import Outline

MakeOutline = Callable[[str], Outline]


@pytest.fixture
def pretrained(page: Page) -> Page:
    return dataclasses.replace(page, evaluation=None, pictures=())


def test_a_pretraining_opens_with_what_restoration_removes(pretrained: Page, outline: MakeOutline) -> None:
    text = outline(render(pretrained)).text
    sentence = "On 4 patients never used for training, restoration removes 0.815 (95 % interval 0.780 to 0.840) of"
    assert sentence in text
    assert "No predictions have been evaluated" not in text


def test_errors_stand_beside_those_of_doing_nothing(pretrained: Page, outline: MakeOutline) -> None:
    text = outline(render(pretrained)).text
    assert "Error of damaged slices 0.2123 0.1923 to 0.2323" in text
    assert "Error of restored slices 0.0912 0.0712 to 0.1112" in text
    assert "Error of plain grey slices 0.1534 0.1334 to 0.1734" in text
    assert "96 slices of 4 patients held back from training" in text
    assert "rough intervals" in text


def test_each_slice_is_shown_damaged_restored_and_as_it_was_under_a_pseudonym(
    pretrained: Page, outline: MakeOutline
) -> None:
    found = outline(render(pretrained))
    images = [attributes for tag, attributes in found.tags if tag == "img"]
    assert [str(one["alt"]).rpartition(": ")[2] for one in images] == [
        "damaged slice", "restored slice", "original slice",
    ]  # fmt: skip
    assert all(str(one["src"]).startswith("data:image/png;base64,") for one in images)
    assert len({one["src"] for one in images}) == 3
    assert "P01 · shuffled, painted outside" in found.text
    assert "Zoe_Quinn" not in render(pretrained)
    shown = dataclasses.replace(pretrained, show_names=True)
    assert "Zoe_Quinn" in render(shown)


def test_without_held_out_patients_nothing_is_claimed(pretrained: Page, outline: MakeOutline) -> None:
    nothing = Interval(None, None, None, 0, 0)
    empty = dataclasses.replace(pretrained, restoration=RestorationOutcome(0, nothing, nothing, nothing, nothing))
    found = outline(render(empty))
    assert "nothing says how well scans are restored" in found.text
    assert "What was restored" not in found.text
    undamaged = RestorationOutcome(8, nothing, nothing, nothing, nothing)
    assert restored_sentence(undamaged).startswith("No slice was damaged, so nothing says")


def test_fewer_patients_than_an_interval_needs_have_none(pretrained: Page, outline: MakeOutline) -> None:
    one = Interval(0.2, None, None, 1, 0)
    lone = RestorationOutcome(8, one, one, one, one)
    assert restored_sentence(lone).startswith("On 1 patient never used for training, restoration removes 0.200 of")
    text = outline(render(dataclasses.replace(pretrained, restoration=lone))).text
    assert "Error of damaged slices 0.2000 no interval" in text
