"""What transfers of stored proofs were worth, for advice that wants to know how often it was right."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg.errors import SegError
from seg.recipes.arms import Arm
from seg.recipes.proof_folder import FOLDER, Asked, ProofFolder, read_asked

_END = ("asymptote", "final")


@dataclass(frozen=True)
class RealisedGain:
    """What one arm of a proof gained beside the best one without transfer."""

    proof: str
    """The proof's name."""
    source_word: str
    """As a person said it, such as `liver`; `imagenet` and `none` stand for themselves."""
    source: str
    """Where that was found: a run's folder, a weight file, or the word."""
    arm: str
    strategy: tuple[str, ...]
    """Without the warm-up that all arms share."""
    size: int
    """Labelled patients."""
    baseline: str
    """The best one of the proof at this size: the one with the highest Dice at the end."""
    gain: float
    """Dice at the asymptote, arm minus that baseline; 0 for the best baseline itself, negative for the others."""
    low: float | None = None
    """Of the 95 % interval; None for baselines, which were not judged, and with a single test patient."""
    high: float | None = None


def realised_gains(runs_folder: Path, target: str) -> tuple[RealisedGain, ...]:
    """Per proof below a runs folder with this target organ, per size and arm: the gain at the end.

    Arms of one proof and size are gains over one baseline, so that they can be ranked beside each other; the baselines
    are among them, `none` and `imagenet` being sources too. Proofs without a verdict yet, or that cannot be read, are
    passed over. The order is that of the proofs' names, then of sizes and arms in their tables.
    """
    found: list[RealisedGain] = []
    for path in sorted((runs_folder / FOLDER).glob("*/verdict.json")):
        folder = ProofFolder(path.parent)
        try:
            asked, record = read_asked(folder), json.loads(path.read_text(encoding="utf-8"))
            if target in asked.target:
                found.extend(_gains(folder.folder.name, asked, record["rows"]))
        except (SegError, OSError, ValueError, KeyError, TypeError, StopIteration):
            continue
    return tuple(found)


def _gains(proof: str, asked: Asked, rows: list[dict[str, Any]]) -> Iterator[RealisedGain]:
    known = [row for row in rows if row["measure"] in _END and row["difference"] is not None]
    ends = [row for row in known if math.isfinite(row["difference"])]
    for size in sorted({row["size"] for row in ends}):
        own = [row for row in ends if row["size"] == size]
        without = {row["baseline"]: float(row["baseline_dice"]) for row in reversed(own)}
        best = max(without, key=lambda name: without[name])

        def gained(arm: Arm, gain: float, row: dict[str, Any], size: int = size, best: str = best) -> RealisedGain:
            found = (gain, row.get("low"), row.get("high"))
            return RealisedGain(proof, arm.source_word, arm.source, arm.name, arm.strategy, size, best, *found)

        beside = [row for row in own if row["baseline"] == best]
        yield from (gained(asked.arm(row["arm"]), row["difference"], row) for row in beside)
        yield from (gained(asked.arm(name), dice - without[best], {}) for name, dice in reversed(without.items()))
