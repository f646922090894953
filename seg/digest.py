"""sha256 of files and of plain records: how a changed byte is noticed."""

import hashlib
import json
from pathlib import Path
from typing import Any


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_sha256(record: dict[str, Any]) -> str:
    """The sha256 of a record as JSON with sorted keys: equal for equal content, whatever the order."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
