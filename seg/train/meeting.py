"""Where the processes of one training wait for each other, and hear that one of them failed."""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from seg.errors import DeviceError, SegError

LONGEST_WAIT_S = 12 * 3600
"""One process prepares all scans, or judges a large patient, while the others wait; a process that ends is noticed
far sooner."""
_GRACE_S = 10.0
"""From the word that a process failed to the end of one that is stuck, such as in a GPU's queue."""
_ASKED_EVERY_S = 1.0
_LAST_WORDS_S = 3.0
"""How long the process that holds the store waits for others to hear of a failure; a killed one never does."""
_FAILED = "failed"
_ENDING = "ending"


class Store(Protocol):
    """Keys and values that all processes see; what `torch.distributed` calls a store."""

    def add(self, key: str, amount: int) -> int:
        """Add to a number, which starts at 0, and return it."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Whether they are there."""
        ...

    def get(self, key: str) -> bytes:
        """The value."""
        ...

    def compare_set(self, key: str, expected: str, desired: str) -> bytes:
        """Set the value where it is `expected`, which is empty for none, and return the one that it has now."""
        ...

    def clone(self) -> Any:
        """Another connection, for another thread."""
        ...


@dataclass(frozen=True)
class Failure:
    """What the first process that failed said."""

    number: int
    exit_code: int
    sentence: str


class OtherFailedError(SegError):
    """Another process failed and said why; this one ends with the same exit code, in silence."""

    def __init__(self, failure: Failure) -> None:
        """`failure` is the other's."""
        self.exit_code = failure.exit_code
        super().__init__(
            found=f"process {failure.number} failed: {failure.sentence}", expected="all processes at work",
            fix="see what it said", code="other-process-failed",
        )  # fmt: skip


def lost(error: Exception) -> DeviceError:
    """What to say where another process ended without a word."""
    # Without where in the library's code it was noticed, and without the library's advice.
    reason = re.sub(r"^\[[^\]]*\] ", "", str(error)).split(". ")[0].split("\n")[0]
    return DeviceError(
        found=f"no contact with another process any more ({reason})",
        expected="all processes at work",
        fix="look for one that was killed, such as for memory; `seg train --resume` goes on from the last checkpoint",
        code="process-lost",
    )


class Meeting:
    """One process's place among the others."""

    def __init__(self, store: Store, number: int, count: int, *, holds_store: bool = False) -> None:
        """Every process has to make it, and to call `wait_for_all` and `lead` in the same order.

        The one that `holds_store` ends last, since the store ends with it.
        """
        self._store, self._number, self._count = store, number, count
        self._holds_store = holds_store
        self._stages = 0

    def wait_for_all(self, what: str) -> None:
        """Return when every process is here; OtherFailedError as soon as one failed, DeviceError after half a day."""
        key = self._next_key()
        self._store.add(key, 1)
        self._wait(lambda: self._store.add(key, 0) >= self._count, what)
        self._store.add(f"{key}-seen", 1)
        if self._holds_store:
            # It may be about to end.
            self._wait(lambda: self._store.add(f"{key}-seen", 0) >= self._count, what)

    def lead(self, what: str, work: Callable[[], None]) -> None:
        """Do `work` in the first process, and then, whether it succeeded or not, in all others."""
        key = self._next_key()
        if self._number > 0:
            self._wait(lambda: self._store.check([key]), what)
        try:
            work()
        finally:
            if self._number == 0:
                self._store.add(key, 1)

    def first_failure(self, exit_code: int, sentence: str) -> Failure:
        """Tell the others that this process failed; what the first one to fail said, which may be this one."""
        own = Failure(self._number, exit_code, sentence)
        try:
            first = Failure(**json.loads(self._store.compare_set(_FAILED, "", json.dumps(asdict(own)))))
            self._store.add(_ENDING, 1)
            end = time.monotonic() + (_LAST_WORDS_S if self._holds_store else 0.0)
            while time.monotonic() < end and self._store.add(_ENDING, 0) < self._count:
                time.sleep(0.05)
        except RuntimeError:
            # The store went with the process or machine that held it, so that nobody else can say anything.
            return own
        return first

    def heard(self, within_s: float = 0.0) -> Failure | None:
        """What another process failed with, where it says so in time; DeviceError where nobody can say anything."""
        end = time.monotonic() + within_s
        while True:
            try:
                failure = _failure(self._store)
            except RuntimeError as error:
                raise lost(error) from None
            if failure is not None and failure.number != self._number:
                return failure
            if time.monotonic() >= end:
                return None
            time.sleep(0.05)

    def watch(self, end: Callable[[int], None] = os._exit) -> None:
        """From now on end this process, at most some seconds after one failed, even if it is stuck."""
        threading.Thread(target=_watch, args=(self._store.clone(), end), name="watch", daemon=True).start()

    def _next_key(self) -> str:
        self._stages += 1
        return f"stage-{self._stages}"

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        start, pause_s = time.monotonic(), 0.002
        while not ready():
            if (failure := self.heard()) is not None:
                raise OtherFailedError(failure)
            if time.monotonic() - start > LONGEST_WAIT_S:
                raise DeviceError(
                    found=f"no word from another process for {LONGEST_WAIT_S / 3600:g} h ({what})",
                    expected="all processes at work", fix="look at what the others say", code="process-late",
                )  # fmt: skip
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.25)


def _failure(store: Store) -> Failure | None:
    return Failure(**json.loads(store.get(_FAILED))) if store.check([_FAILED]) else None


def _watch(store: Store, end: Callable[[int], None]) -> None:
    try:
        while (failure := _failure(store)) is None:
            time.sleep(_ASKED_EVERY_S)
    except RuntimeError:
        # Without the store the training ends by itself: its next exchange fails.
        return
    time.sleep(_GRACE_S)
    end(failure.exit_code)
