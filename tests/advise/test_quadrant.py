import pytest

from seg.advice_settings import QuadrantSettings
from seg.advise.quadrant import choose_quadrant
from seg.overrides import resolve


@pytest.mark.parametrize(
    ("slices", "distance", "strategy"),
    [(5000, 1.8, "finetune"), (5000, 0.3, "freeze"), (300, 1.8, "gradual"), (300, 0.3, "feature_extract")],
)
def test_each_quadrant_has_a_strategy_that_exists(slices: int, distance: float, strategy: str) -> None:
    found = choose_quadrant(slices, distance)
    assert found.strategy == (strategy,)
    assert (found.small, found.similar) == (slices == 300, distance == 0.3)
    settings = resolve([f"strategy={','.join(found.strategy)}", *found.words])
    assert strategy in settings.components
    assert found.sure


def test_the_thresholds_belong_to_the_upper_side_and_can_be_moved() -> None:
    assert not choose_quadrant(1000, 0.5).small
    assert choose_quadrant(999, 0.5).small
    assert choose_quadrant(10, 1.0).similar is False
    moved = QuadrantSettings(small_below=10, similar_below=1.5)
    assert not choose_quadrant(10, 1.0, settings=moved).small
    assert choose_quadrant(10, 1.0, settings=moved).similar


def test_the_reason_names_numbers_and_thresholds() -> None:
    why = choose_quadrant(1234, 0.456).why
    assert "1,234 labelled slices, not fewer than 1,000" in why
    assert "proxy A-distance 0.46, below 1" in why
    assert "top layers" in why


def test_a_source_that_nothing_is_known_of_counts_as_different_and_that_is_said() -> None:
    found = choose_quadrant(300, None)
    assert found.similar is None
    assert found.strategy == choose_quadrant(300, 2.0).strategy
    assert "not known" in found.why
    assert not found.sure


def test_an_interval_over_the_threshold_makes_it_unsure() -> None:
    unsure = choose_quadrant(300, 0.9, (0.7, 1.2))
    assert not unsure.sure
    assert unsure.why.endswith("95 % of the draws lie between 0.70 and 1.20.")
    assert choose_quadrant(300, 0.9, (0.7, 0.95)).sure
    assert choose_quadrant(300, 1.2, (1.0, 1.4)).sure
