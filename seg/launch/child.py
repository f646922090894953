"""A job in a process of its own: its end is seen whatever happens to it, and comes with that of who started it."""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from seg.launch.job import Job, why

_FOR_THE_GROUP = (signal.SIGINT, signal.SIGTERM)
_LOOK_S = 0.5
"""Between two looks at a process, should its end not be heard of."""
_SAVED_WITHIN_S = 60.0
"""How long a job may take to save what it has, once it was asked to end."""


class Child:
    """A process that does one job. It is spawned: a fork would share locks and a GPU with this one."""

    def __init__(self, job: Job, log: Path, folder: Path | None = None) -> None:
        """Starts the process; what it prints is appended to `log`, and relative paths begin in `folder`, or here."""
        context = multiprocessing.get_context("spawn")
        self.job = job
        self._here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(job, log, folder or Path.cwd(), there), name=job.name)
        # Until the process has a group of its own, a Ctrl-C that ends this one would reach it too.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_GROUP)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            # The pipe then ends with the process.
            there.close()

    @property
    def over(self) -> bool:
        """Whether the process has ended."""
        return self._process.exitcode is not None

    def reason(self) -> str:
        """Why the job is not done; empty where it is. Waits for the end."""
        self._process.join()
        told = None
        with contextlib.suppress(EOFError, OSError):
            told = self._here.recv() if self._here.poll() else None
        self._here.close()
        return _ended(self._process.exitcode) if told is None else str(told)

    def stop(self) -> None:
        """Ask the job to end with everything saved."""
        self._process.terminate()

    def end(self) -> None:
        """Ask the job to end, and kill it where it takes too long over that."""
        self._process.terminate()
        self._process.join(_SAVED_WITHIN_S)
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join(_LOOK_S)


def wait_for(children: Sequence[Child], timeout_s: float = _LOOK_S) -> list[Child]:
    """The processes that have ended; waits that long for the first."""
    wait([child._process.sentinel for child in children], timeout_s)
    # What a killed process left behind can hold the other end of its sentinel open for a while.
    return [child for child in children if child.over]


def run_alone(job: Job, log: Path, folder: Path) -> str:
    """Do a job in a process of its own, on whatever machine this is called; returns why it is not done, or nothing.

    An exception that ends the waiting, such as KeyboardInterrupt, ends the job with everything saved.
    """
    child = Child(job, log, folder)
    try:
        while not wait_for([child]):
            pass
        return child.reason()
    finally:
        if not child.over:
            child.end()


def _ended(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    return f"killed by signal {-exit_code}"


def _work(job: Job, log: Path, folder: Path, told: "Connection[str, str]") -> None:
    """What the process does."""
    os.setpgid(0, 0)
    # Ray starts its workers with SIGINT blocked; SLURM announces the end of a job's time to all of its processes.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_GROUP)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.chdir(folder)
    _print_to(log)
    print(f"{job.name}: process {os.getpid()} on {socket.gethostname()}")
    try:
        job.function(*job.arguments)
    except Exception as error:
        traceback.print_exc()
        told.send(why(error))
        raise SystemExit(1) from None
    told.send("")


def _end_with_parent() -> None:
    """A job that outlives the process which started it would hold the run that the next one goes on with."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)


def _print_to(log: Path) -> None:
    """Everything, also what libraries write past Python."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
        # A process that is killed flushes nothing.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.close(descriptor)
