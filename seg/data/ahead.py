"""The next value is made by a thread while the last one is worked with."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

Value = TypeVar("Value")

_TRY_S = 0.1
"""How long the thread waits for room before it looks whether it is still wanted, and who waits for a value likewise."""


class _End:
    """No more values."""


class Ahead(Generic[Value]):
    """Iterates over `source` in a thread of its own, one value ahead; its errors come out here."""

    def __init__(
        self, source: Iterator[Value], stop: Callable[[], None], given_up: Callable[[], bool] = lambda: False
    ) -> None:
        """`stop` makes a source that waits end, and is called from another thread than the source's.

        Where a value is waited for and `given_up` says yes, there are no more values.
        """
        self._source = source
        self._stop = stop
        self._given_up = given_up
        self._made: queue.Queue[Value | BaseException | _End] = queue.Queue(1)
        self._wanted = True
        self._thread = threading.Thread(target=self._make, name="batches ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> "Ahead[Value]":
        return self

    def __next__(self) -> Value:
        """The next value; raises what the source raised."""
        if not self._wanted:
            raise StopIteration
        made = self._next()
        if isinstance(made, _End):
            self._wanted = False
            raise StopIteration
        if isinstance(made, BaseException):
            self._wanted = False
            raise made
        return made

    def _next(self) -> "Value | BaseException | _End":
        while True:
            with suppress(queue.Empty):
                return self._made.get(timeout=_TRY_S)
            if self._given_up():
                return _End()

    def close(self) -> None:
        """End the thread."""
        self._wanted = False
        self._stop()
        self._thread.join()

    def _make(self) -> None:
        try:
            for value in self._source:
                if not self._put(value):
                    return
            self._put(_End())
        except BaseException as error:
            # Whatever it is, it belongs to who asked for the value.
            self._put(error)

    def _put(self, made: Value | BaseException | _End) -> bool:
        while self._wanted:
            try:
                self._made.put(made, timeout=_TRY_S)
            except queue.Full:
                continue
            return True
        return False
