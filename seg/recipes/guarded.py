"""Where a training asks its guard."""

from typing import Protocol

from seg.config import Settings
from seg.proof.guarded import Guarded, guard_of
from seg.recipes.components import has_labels_elsewhere
from seg.recipes.prepare import Checked, Stage, check_and_split
from seg.recipes.source import find_origins
from seg.runs import Run


class Guard(Protocol):
    """What is asked before a transfer trains."""

    def planned(self, settings: Settings, checked: Checked) -> str:
        """What would be tried first, and what that costs."""

    def decide(self, settings: Settings, checked: Checked) -> tuple[Settings, Guarded]:
        """What to train, the transfer or what it was compared with, and why."""


def guarded_settings(
    guard: Guard | None, settings: Settings, checked: Checked | None, begun: Run | None, stages: Stage
) -> tuple[Settings, Checked | None, Guarded | None]:
    """What a run trains, the data where they had to be looked at for it, and the verdict where it is a new one.

    A run that has `begun` goes on with what was decided then.
    """
    if guard is None:
        return settings, checked, None
    if begun is not None:
        before = guard_of(begun)
        return (begun.settings() if before is not None and before.hurt else settings), checked, None
    if checked is None:
        elsewhere = has_labels_elsewhere(settings, find_origins(settings))
        checked = check_and_split(settings, stages, labels_elsewhere=elsewhere)
    chosen, guarded = guard.decide(settings, checked)
    return chosen, checked, guarded
