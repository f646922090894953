import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from seg.train.interrupt import Interrupt


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted_and_the_second_ends_at_once(number: signal.Signals, code: int) -> None:
    with Interrupt() as interrupt:
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        assert interrupt.exit_code == code
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), number)
        assert ended.value.code == code


def test_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_trains_without_handlers() -> None:
    entered: list[bool] = []

    def work() -> None:
        with Interrupt() as interrupt:
            entered.append(interrupt.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]


_WRITING = """
import os, signal, threading, time
from seg.train.interrupt import Interrupt
from seg.train.writer import Writer

with Interrupt():
    writer = Writer()
    writer.start(lambda: time.sleep(60))
    for delay_s in (0.1, 0.2):
        threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGTERM)).start()
    writer.join()
"""


def test_a_second_signal_ends_a_process_at_once_though_something_is_being_written() -> None:
    start = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", _WRITING], check=False, timeout=60)
    assert ended.returncode == 143
    assert time.monotonic() - start < 50
