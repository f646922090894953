import threading

import pytest

from seg.train.writer import Writer


def test_a_job_is_done_beside_the_caller_and_the_next_one_waits_for_it() -> None:
    writer, may_end, done = Writer(), threading.Event(), []
    writer.start(lambda: (may_end.wait(10), done.append("first")))
    assert done == []
    threading.Timer(0.05, may_end.set).start()
    writer.start(lambda: done.append("second"))
    assert done[0] == "first"
    writer.wait()
    assert done == ["first", "second"]


def test_what_a_job_raises_is_raised_once_where_somebody_waits() -> None:
    writer = Writer()
    writer.start(lambda: [][0])
    with pytest.raises(IndexError):
        writer.wait()
    writer.wait()
    writer.start(lambda: [][0])
    with pytest.raises(IndexError):
        writer.start(lambda: None)


def test_to_join_is_to_wait_whatever_came_of_it() -> None:
    writer = Writer()
    writer.start(lambda: [][0])
    writer.join()
    with pytest.raises(IndexError):
        writer.wait()


def test_between_two_jobs_there_is_no_thread() -> None:
    writer, before = Writer(), threading.active_count()
    writer.start(lambda: None)
    writer.wait()
    assert threading.active_count() == before
