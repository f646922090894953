"""How a long piece of work says how far it is, without knowing who listens."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with (done, total, what was just done)."""


def silent(done: int, total: int, what: str) -> None:
    """A listener that ignores everything."""
