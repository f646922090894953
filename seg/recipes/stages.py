"""Progress of the stages before and after the loop, on the console."""

import time

from rich.console import Console

from seg.progress import Progress
from seg.recipes.prepare import Stage
from seg.train.log import duration

_QUIET_S = 5.0
"""A line at most this often; short stages say nothing in between."""


def console_stages(console: Console) -> Stage:
    """Listeners that print a line with the estimated time left now and then."""

    def begin(stage: str) -> Progress:
        start = last = time.monotonic()

        def listen(done: int, total: int, what: str) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last >= _QUIET_S:
                last = now
                left = (now - start) / done * (total - done)
                end = f" in {duration(now - start)}" if done == total else f", {duration(left)} left"
                console.print(f"{stage}: {done} of {total}{end}", highlight=False, markup=False, soft_wrap=True)

        return listen

    return begin
