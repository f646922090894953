"""The arm `auto`: what the advice would do, asked once per proof."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from seg.advise.advice import chosen
from seg.config import Settings
from seg.knobs import is_knob
from seg.recipes.advise import advise
from seg.recipes.arms import Choice
from seg.records import to_json

NOTHING = "none"


class Chooser:
    """Asks for advice when the arm is read; a proof that goes on has read it before."""

    def __init__(self, settings: Callable[[], Settings], sources: Sequence[str], console: Console) -> None:
        """`settings` are those of a training without transfer, with the fewest labels, where a choice matters most.

        Beside the sources the advice may say that nothing is worth transferring.
        """
        self.advice: dict[str, Any] | None = None
        """What it said, as JSON has it; None where it was not asked."""
        self._settings, self._console = settings, console
        self._sources = tuple(dict.fromkeys((*sources, NOTHING)))

    def __call__(self) -> Choice:
        """The advice's source and strategy. Of its settings knobs alone: the others are the same for all arms."""
        self._console.print("Asking the advice for the arm auto", highlight=False, markup=False, soft_wrap=True)
        found = advise(self._settings(), self._sources, self._console)
        self.advice = json.loads(to_json(found))
        source, strategy, words = chosen(found)
        knobs = tuple(word for word in words if is_knob(word.partition("=")[0]))
        return Choice(source, strategy, knobs)
