import json
import threading
import time
from typing import Any

import pytest

from seg.errors import DeviceError
from seg.train import meeting
from seg.train.meeting import Failure, Meeting, OtherFailedError


class _Store:
    """As torch's, in this process alone."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.gone = False

    def add(self, key: str, amount: int) -> int:
        self._must_be_there()
        self.values[key] = self.values.get(key, 0) + amount
        found: int = self.values[key]
        return found

    def check(self, keys: list[str]) -> bool:
        self._must_be_there()
        return all(key in self.values for key in keys)

    def get(self, key: str) -> bytes:
        self._must_be_there()
        return str(self.values[key]).encode()

    def compare_set(self, key: str, expected: str, desired: str) -> bytes:
        self._must_be_there()
        if self.values.get(key, "") == expected:
            self.values[key] = desired
        return self.get(key)

    def clone(self) -> "_Store":
        return self

    def _must_be_there(self) -> None:
        if self.gone:
            raise RuntimeError("[/torch/TCPStore.cpp:10] Connection reset by peer. Look at the logs.")


def _two(store: _Store) -> tuple[Meeting, Meeting]:
    return Meeting(store, 0, 2), Meeting(store, 1, 2)


def test_nobody_goes_on_before_all_are_there():
    first, second = _two(_Store())
    passed: list[str] = []

    def arrive() -> None:
        first.wait_for_all("preparing")
        passed.append("first")

    waiting = threading.Thread(target=arrive)
    waiting.start()
    time.sleep(0.05)
    assert passed == []
    second.wait_for_all("preparing")
    waiting.join(5)
    assert passed == ["first"]


def test_the_first_works_before_the_others_even_where_it_fails():
    first, second = _two(_Store())
    order: list[str] = []

    def fail() -> None:
        order.append("first")
        raise ValueError("broken")

    waiting = threading.Thread(target=lambda: second.lead("building", lambda: order.append("second")))
    waiting.start()
    time.sleep(0.05)
    with pytest.raises(ValueError, match="broken"):
        first.lead("building", fail)
    waiting.join(5)
    assert order == ["first", "second"]


def test_the_first_failure_is_everybodys():
    first, second = _two(_Store())
    assert second.first_failure(3, "found a broken scan").number == 1
    assert first.first_failure(6, "no contact") == Failure(1, 3, "found a broken scan")
    assert second.heard() is None
    with pytest.raises(OtherFailedError) as failed:
        first.wait_for_all("judging")
    assert failed.value.exit_code == 3


def test_who_holds_the_store_waits_till_the_others_have_heard(monkeypatch):
    store = _Store()
    first, second = Meeting(store, 0, 2, holds_store=True), Meeting(store, 1, 2)
    ended: list[int] = []
    ending = threading.Thread(target=lambda: ended.append(first.first_failure(3, "broken").number))
    ending.start()
    time.sleep(0.1)
    assert ended == []
    assert second.first_failure(3, "broken").number == 0
    ending.join(5)
    assert ended == [0]
    monkeypatch.setattr(meeting, "_LAST_WORDS_S", 0.05)
    assert Meeting(_Store(), 0, 2, holds_store=True).first_failure(3, "broken").number == 0


def test_waiting_has_an_end(monkeypatch):
    monkeypatch.setattr(meeting, "LONGEST_WAIT_S", 0.05)
    with pytest.raises(DeviceError) as late:
        Meeting(_Store(), 0, 2).wait_for_all("preparing the scans")
    assert late.value.code == "process-late"
    assert "preparing the scans" in late.value.found


def test_what_went_with_the_place_they_met_at_is_said():
    store = _Store()
    first, _ = _two(store)
    store.gone = True
    with pytest.raises(DeviceError) as lost:
        first.heard()
    assert lost.value.found == "no contact with another process any more (Connection reset by peer)"
    # Nobody else can say anything, so that this process has to.
    assert first.first_failure(4, "the disk is full").number == 0


def test_a_stuck_process_is_ended_soon_after_another_one_failed(monkeypatch):
    monkeypatch.setattr(meeting, "_GRACE_S", 0.0)
    monkeypatch.setattr(meeting, "_ASKED_EVERY_S", 0.01)
    store, ended = _Store(), threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    Meeting(store, 0, 2).watch(end)
    assert not ended.wait(0.05)
    store.values["failed"] = json.dumps({"number": 1, "exit_code": 3, "sentence": "broken"})
    assert ended.wait(5)
    assert codes == [3]


def test_the_watch_ends_with_the_place_they_meet_at(monkeypatch):
    monkeypatch.setattr(meeting, "_ASKED_EVERY_S", 0.01)
    store = _Store()
    before = threading.active_count()
    Meeting(store, 0, 2).watch(lambda code: pytest.fail("ended"))
    store.gone = True
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before
