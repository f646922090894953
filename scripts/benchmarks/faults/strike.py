"""Faults: each is a function to call in a child before its training begins."""

import itertools
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from faults.child import report
from seg.train import loop, saver, tensor_file
from seg.train.saver import Saver

CALLS = ("fsync", "rename", "replace", "link")
Fault = Callable[[], None]
BEGUN, ENDED = "save begun", "save ended"
"""What a journalled training reports."""


def in_write(number: int, delay_ms: float = 0.0) -> Fault:
    """SIGKILL at call number `number` of what writes: before it, or `delay_ms` after it began; 0 only counts calls."""
    called = itertools.count(1)

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **named: Any) -> Any:
            now = next(called)
            if number == 0:
                report("call")
            if now == number:
                _kill_after(delay_ms)
            return call(*given, **named)

        return watched

    def arm() -> None:
        enter = Saver.__enter__

        def armed(self: Saver) -> Saver:
            entered = enter(self)
            for name in CALLS:
                setattr(os, name, wrapped(getattr(os, name)))
            tensor_file.save_file = wrapped(tensor_file.save_file)
            return entered

        Saver.__enter__ = armed

    return arm


def journalled(fault: Fault) -> Fault:
    """A fault in a training that reports when it begins and ends to write a checkpoint, or its last weights."""

    def told(write: Callable[..., None]) -> Callable[..., None]:
        def telling(*given: Any) -> None:
            report(BEGUN)
            write(*given)
            report(ENDED)

        return telling

    def arm() -> None:
        Saver._write = told(Saver._write)  # type: ignore[method-assign]
        saver.write_last = told(saver.write_last)
        fault()

    return arm


def _kill_after(delay_ms: float) -> None:
    if delay_ms == 0:
        os.killpg(0, signal.SIGKILL)
    threading.Timer(delay_ms / 1e3, os.killpg, (0, signal.SIGKILL)).start()


def at_second_save(then: Callable[[Saver], None]) -> Fault:
    """When one save is on the disk and the next one is about to begin."""
    saves, save = itertools.count(1), Saver.save

    def watched(self: Saver, progress: Any) -> None:
        if next(saves) == 2:
            self._writer.wait()
            then(self)
        save(self, progress)

    def arm() -> None:
        Saver.save = watched

    return arm


def at_step(step: int, then: Callable[[], None]) -> Fault:
    """At the beginning of a step."""
    take = loop.take_step

    def watched(training: Any, batches: Any, now: int) -> Any:
        if now == step:
            then()
        return take(training, batches, now)

    def arm() -> None:
        loop.take_step = watched

    return arm
