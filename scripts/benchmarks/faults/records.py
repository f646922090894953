"""What was found so far, kept line by line: a programme that was stopped goes on after the last one."""

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

Record = dict[str, Any]


class Records:
    """One record per part and number, in a file of JSON lines where one is given."""

    def __init__(self, path: Path | None, about: Record) -> None:
        """`about` says how they are made; the program ends where those in the file were made otherwise."""
        self._path, self._seed = path, about["seed"]
        self._found: dict[str, dict[int, Record]] = {}
        if path is not None and path.exists():
            self._read(path, about)
        elif path is not None:
            path.write_text(json.dumps(about) + "\n")

    def _read(self, path: Path, about: Record) -> None:
        text = path.read_text()
        # The last line is half a line where the program was killed.
        first, *lines = text[: text.rfind("\n") + 1].splitlines()
        if json.loads(first) != about:
            sys.exit(f"{path}: made with {first}, now {json.dumps(about)}; name another file")
        path.write_text("".join(f"{line}\n" for line in (first, *lines)))
        for line in map(json.loads, lines):
            self._found.setdefault(line.pop("part"), {})[line.pop("number")] = line

    def left(self, part: str, count: int) -> list[tuple[int, Random]]:
        """Numbers of a part that are not done, each with its own random numbers, whatever was done before."""
        done = self._found.get(part, {})
        return [(number, Random(f"{self._seed} {part} {number}")) for number in range(count) if number not in done]

    def add(self, part: str, number: int, of: int, record: Record) -> None:
        """Keep a record, and say it."""
        self._found.setdefault(part, {})[number] = record
        line = json.dumps({"part": part, "number": number, **record})
        print(f"{len(self._found[part])} of {of} done: {line}", file=sys.stderr, flush=True)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(f"{line}\n")

    def of(self, part: str) -> list[Record]:
        """All records of a part, by number."""
        return [record for _, record in sorted(self._found.get(part, {}).items())]
