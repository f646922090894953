"""How long does an advice take, first and again, and is it the same? JSON with times and ranking.

python scripts/benchmarks/advise.py --to pancreas KEY=VALUE... [--from SOURCE,...]

The first call prepares scans and computes features in a cache of its own, the second one finds them there. Times are of
the whole command, imports included, once on the wall and once in processor seconds, which other work does not change
as much. The advice is written into a temporary folder.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> dict[str, Any]:
    """Ask twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, help="the target's organ")
    parser.add_argument("--from", dest="sources", default="", help="sources; else all of the runs folder")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the source runs")
    parser.add_argument("words", nargs="*", help="settings of the target")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        runs = place / "runs"
        runs.mkdir()
        for run in sorted(given.runs.glob("*/manifest.json")):
            (runs / run.parent.name).symlink_to(run.parent.resolve())
        words = [*given.words, f"runs.folder={runs}", f"prepare.cache={place / 'cache'}"]
        command = ["advise", "--to", given.to, *(["--from", given.sources] if given.sources else []), *words]
        first, again = (_asked(command, runs / "advice" / f"{given.to}.json") for _ in range(2))
    advice = json.loads(first["advice"])
    return {
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "load": [round(value, 1) for value in os.getloadavg()],
        "first": first["times"],
        "again": again["times"],
        "same_bytes": first["advice"] == again["advice"],
        "sources": [
            {"rank": one["rank"], "name": one["name"], "ranks": one["rank_interval"], "beaten": one["beaten"]}
            for one in advice["sources"]
        ],
        "left_out": advice["left_out"],
        "strategy": advice["strategy"],
        "sentences": advice["sentences"],
        "agreements": advice["agreements"],
    }


def _asked(command: list[str], written: Path) -> dict[str, Any]:
    """One call of the command line: what it wrote and what it took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "seg", *command], check=True, stdout=sys.stderr)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"advice": written.read_text(encoding="utf-8"), "times": {"s": round(wall, 1), "cpu_s": round(spent, 1)}}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
