"""A run that nobody disturbs, and whether a disturbed one came to the same."""

import hashlib
import json
import sys
import time
from pathlib import Path

from faults.child import Place
from faults.strike import in_write
from seg.runs import Run
from seg.train.manifest import step_of


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def outcome(run: Run) -> dict[str, str]:
    """What must not depend on what happened on the way."""
    newest = max(run.checkpoints.glob("step-*"), key=step_of)
    found = {name: digest for name, digest in digests(newest).items() if name.endswith(".safetensors")}
    for path in (run.model, run.last, run.student):
        if path.exists():
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = [(row.step, {k: v for k, v in row.values.items() if k != "images_per_s"}) for row in run.curve_rows()]
    return {**found, "rows": json.dumps(rows), "step": str(step_of(newest))}


class Reference:
    """A run that nobody disturbs: what it came to, how long it took, and how often it wrote."""

    def __init__(self, place: Place, name: str, *words: str) -> None:
        child = place.train(name, *words, fault=in_write(0))
        begun = child.started()
        start = time.perf_counter()
        code, lines = child.ended()
        if not begun or code != 0:
            sys.exit((place.folder / f"{name}.txt").read_text() or f"{name} ended with {code}")
        self.seconds, self.calls = time.perf_counter() - start, lines.count("call")
        self.words, self.run = words, place.run(name)
        self.outcome = outcome(self.run)

    def differs(self, place: Place, name: str) -> list[str]:
        """Go on with a disturbed run; what of it is not as it would have been."""
        code, _ = place.train(name).ended()
        if code != 0:
            return [f"exit code {code}"]
        found = outcome(place.run(name))
        return sorted(key for key in {**found, **self.outcome} if found.get(key) != self.outcome.get(key))


_made: dict[str, Reference] = {}


def reference(place: Place, name: str, *words: str) -> Reference:
    """The run of that name, once."""
    if name not in _made:
        _made[name] = Reference(place, name, *words)
    return _made[name]
