"""The rows of a verdict for a spreadsheet."""

import csv
import io
from collections.abc import Sequence

from seg.proof.table import Cell
from seg.report.tables import harmless


def verdict_csv(rows: Sequence[dict[str, Cell]]) -> str:
    """Every row in full precision, undefined values empty (RFC 4180); no text is taken for a formula."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else ["arm"], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(
        {name: harmless(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
    )
    return stream.getvalue()
