"""Writes the tables of README.md that are generated from the files themselves: python scripts/readme_tables.py."""

import re
from pathlib import Path

from seg.recipes.listing import listing

README = Path(__file__).parent.parent / "README.md"
_PLACE = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_LEFT_OUT = ("what for",)
"""Columns too wide for a page."""


def rendered(text: str) -> str:
    """The README with every generated table as it has to be now."""
    return _PLACE.sub(lambda place: f"{place[1]}{_markdown(place[2])}{place[3]}", text)


def _markdown(kind: str) -> str:
    table = listing(kind)
    shown = [column for column in table.columns if column not in _LEFT_OUT]
    places = [table.columns.index(column) for column in shown]
    body = [[row[place] for place in places] for row in table.rows]
    rows = [shown, ["---"] * len(shown), *([f"`{first}`", *rest] for first, *rest in body)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
