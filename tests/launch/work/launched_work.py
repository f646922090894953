"""What the jobs of the tests do."""

import os
import signal
import time
from pathlib import Path

from seg.errors import DataError


def square(folder: Path, number: int) -> None:
    """Write a number's square, and what else a job may depend on."""
    found = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE")}
    (folder / f"square-{number}.txt").write_text(f"{number**2} in {Path.cwd()} with {found}")
    print(f"the square of {number} is {number**2}")


def killed_once(folder: Path) -> None:
    """Be killed, then go on where that was."""
    if first_time(folder, "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "killed.txt").write_text("done after all")


def failed_once(folder: Path) -> None:
    """Fail, then go on."""
    if first_time(folder, "failed"):
        raise ValueError("not yet")
    (folder / "failed.txt").write_text("done after all")


def fails(folder: Path) -> None:
    """Fail whenever it is tried."""
    raise DataError(found="nothing", expected="something", fix="bring it.", path=folder / "scan.nii.gz")


def first_time(folder: Path, what: str) -> bool:
    """Whether it is the first time that this is asked."""
    marks = folder.parent / "marks"
    marks.mkdir(exist_ok=True)
    try:
        (marks / f"{folder.name}-{what}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def wait_for_signal(folder: Path, name: str) -> None:
    """Wait as a training does, which saves once it is asked to end."""
    from seg.train.interrupt import Interrupt, Interrupted

    with Interrupt() as interrupt:
        (folder / f"{name}-{os.getpid()}.started").touch()
        while not interrupt.requested:
            time.sleep(0.02)
        (folder / f"{name}.saved").write_text(str(interrupt.exit_code))
        raise Interrupted(interrupt.exit_code)


def sleep(folder: Path, name: str) -> None:
    """Hear no signal, as a library does that is at work."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    (folder / f"{name}-{os.getpid()}.started").touch()
    time.sleep(120)


def ends_early() -> None:
    """End the process before the work is done."""
    os._exit(0)


def worker_killed_once(folder: Path) -> None:
    """Kill the process that started this one, and wait to end with it."""
    if first_time(folder, "worker"):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    (folder / "worker.txt").write_text("done after all")
