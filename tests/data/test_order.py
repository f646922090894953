from dataclasses import dataclass
from typing import cast

from seg.data.cache import PreparedCase
from seg.data.order import SliceOrder


@dataclass
class _Case:
    organ_slices: tuple[int, ...]
    slices: int

    def __len__(self) -> int:
        return self.slices


def _order(*cases: _Case, seed: int = 0, fraction: float = 0.5) -> SliceOrder:
    return SliceOrder(cast(list[PreparedCase], list(cases)), seed, fraction)


def _epoch(order: SliceOrder, epoch: int) -> list[tuple[int, int]]:
    return [order.at(epoch * order.epoch_length + index) for index in range(order.epoch_length)]


def test_an_epoch_holds_every_organ_slice_once_and_as_many_others_as_the_fraction_allows() -> None:
    order = _order(_Case((2, 3, 4), 10), _Case((0,), 6), fraction=0.5)
    slices = _epoch(order, 0)
    assert sorted(s for s in slices if s in {(0, 2), (0, 3), (0, 4), (1, 0)}) == [(0, 2), (0, 3), (0, 4), (1, 0)]
    assert len(slices) == 8
    assert len(set(slices)) == 8


def test_the_next_epoch_has_another_order_and_draws_other_background_slices() -> None:
    order = _order(_Case((5,), 200), fraction=0.05)
    first, second = _epoch(order, 0), _epoch(order, 1)
    assert first != second
    assert set(first) != set(second)


def test_a_position_gives_the_same_slice_whatever_was_asked_before() -> None:
    one, other = _order(_Case((1, 2), 9)), _order(_Case((1, 2), 9))
    for position in range(40):
        other.at(position)
    assert [one.at(p) for p in (39, 3, 17)] == [other.at(p) for p in (39, 3, 17)]


def test_another_seed_gives_another_order() -> None:
    assert _epoch(_order(_Case((), 50), seed=1), 0) != _epoch(_order(_Case((), 50), seed=2), 0)


def test_unlabelled_cases_give_all_their_slices() -> None:
    assert sorted(_epoch(_order(_Case((), 4), _Case((), 2)), 0)) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]


def test_a_foreground_fraction_of_zero_keeps_every_slice() -> None:
    assert _order(_Case((1,), 30), fraction=0.0).epoch_length == 30


def test_a_foreground_fraction_of_one_keeps_organ_slices_only() -> None:
    assert _epoch(_order(_Case((1, 5), 30), fraction=1.0), 0) in ([(0, 1), (0, 5)], [(0, 5), (0, 1)])
