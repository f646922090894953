"""How many processes torchrun, or whoever sets its variables, has started for one command, and which this one is."""

import os
import signal
from contextlib import suppress


def process_count() -> int:
    """All of them; 1 where nobody says anything."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_number() -> int:
    """This one, from 0."""
    return int(os.environ.get("RANK", "0"))


def several() -> bool:
    """Whether there are others."""
    return process_count() > 1


def leads() -> bool:
    """Whether this process writes the run's folder and speaks."""
    return process_number() == 0


def ignore_launcher() -> None:
    """Let this process, which is ending, have its last words: launchers end all once the first has ended."""
    # Only the main thread may say what signals do.
    with suppress(ValueError):
        if several():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
