import threading
import time
from collections.abc import Iterator

import pytest

from seg.data.ahead import Ahead


def test_values_come_in_order_from_another_thread() -> None:
    makers = []

    def source() -> Iterator[int]:
        for number in range(5):
            makers.append(threading.current_thread())
            yield number

    ahead = Ahead(source(), lambda: None)
    assert list(ahead) == [0, 1, 2, 3, 4]
    assert threading.current_thread() not in makers
    assert list(ahead) == []
    ahead.close()


def test_an_error_comes_out_where_the_value_was_asked_for() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    ahead = Ahead(source(), lambda: None)
    assert next(ahead) == 1
    with pytest.raises(KeyError, match="broken"):
        next(ahead)
    assert list(ahead) == []
    ahead.close()


def test_no_more_is_made_than_one_value_beside_the_one_that_waits() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = Ahead(source(), lambda: None)
    next(ahead)
    time.sleep(0.3)
    assert len(made) <= 3
    ahead.close()
    assert len(made) <= 3


def test_closing_ends_a_source_that_waits() -> None:
    stopped = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        stopped.wait()

    ahead = Ahead(source(), stopped.set)
    assert next(ahead) == 1
    ahead.close()
    assert not ahead._thread.is_alive()


def test_who_gives_up_waits_for_no_value_and_takes_one_that_is_there() -> None:
    made, stopped = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 1
        made.set()
        stopped.wait()

    ahead = Ahead(source(), stopped.set, lambda: True)
    assert made.wait(5)
    assert list(ahead) == [1]
    assert list(ahead) == []
    ahead.close()
    assert not ahead._thread.is_alive()
