"""How a run ended: its manifest says so, whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager

from seg.recipes.bookkeeping import note_failure, note_state
from seg.recipes.together import wait_for_end
from seg.runs import Run
from seg.train.interrupt import Interrupted


@contextmanager
def noted_end(run: Run) -> Iterator[None]:
    """Note an interruption or a failure inside the block before it goes on its way."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        note_state(run, "interrupted")
        if isinstance(error, Interrupted):
            wait_for_end()
        raise
    except Exception as error:
        note_failure(run, error)
        raise
