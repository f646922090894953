"""`dataset.json`: read without trust, the tables and paths in it checked."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from seg.errors import DataError

NAME = "dataset.json"
_MOST_BYTES = 32_000_000
_LARGEST_LABEL = 65_535

Table = dict[str, tuple[int, ...]]


def declares(root: Path, key: str) -> bool:
    """Whether `root` has a `dataset.json` with that key; one that cannot be read raises DataError."""
    return (root / NAME).is_file() and key in read_declaration(root / NAME)


def read_declaration(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        DataError: larger than 32 MB, no UTF-8, broken, nested too deep, a key that stands twice, or no mapping.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise _wrong(path, f"more than {_MOST_BYTES // 1_000_000} MB", "a list of files", "json-size")
        tree = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(tree, ensure_ascii=False).encode()  # half a surrogate pair is no text and can be no file's name
    except (ValueError, RecursionError, OSError) as error:
        words = "too deep a nesting" if isinstance(error, RecursionError) else str(error)
        raise _wrong(path, words, "JSON as its standard says", "json-broken") from None
    if not isinstance(tree, dict):
        raise _wrong(path, f"a {type(tree).__name__} at the top", "a mapping", "json-type")
    return tree


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in names if names.count(key) > 1)!r} stands twice")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word}, which is no JSON number")


def _wrong(path: Path, found: str, expected: str, code: str) -> DataError:
    return DataError(found=found, expected=expected, fix=f"mend {path.name}", path=path, code=code)


def entry(declaration: dict[str, Any], key: str, kind: type, path: Path) -> Any:
    """The value of a key that must be there and of that kind."""
    value = declaration.get(key)
    if not isinstance(value, kind):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        raise _wrong(path, f"{found} under {key!r}", f"a {kind.__name__}", "json-type")
    return value


def label_table(declaration: dict[str, Any], path: Path) -> tuple[Table, int | None]:
    """(label names with the values that form them, the value to ignore), without the background.

    Both directions are understood: `{"1": "liver"}` as the Decathlon writes it and `{"liver": 1, "all": [1, 2]}` as
    nnU-Net does. Values of one name are united; the name `ignore` gives the value to ignore.
    """
    table: Table = {}
    for key, value in entry(declaration, "labels", dict, path).items():
        name, values = (value, [key]) if isinstance(value, str) else (key, value)
        numbers = tuple(_label_value(item, path) for item in (values if isinstance(values, list) else [values]))
        if not numbers:
            raise _wrong(path, f"no value for label {name!r}", "at least one", "json-label")
        if numbers != (0,):
            table[name] = tuple(dict.fromkeys(table.get(name, ()) + numbers))
    ignored = table.pop("ignore", None)
    if ignored is not None and len(ignored) > 1:
        raise _wrong(path, f"ignore: {list(ignored)}", "one value to ignore", "json-label")
    return table, ignored[0] if ignored else None


def _label_value(raw: Any, path: Path) -> int:
    text = str(raw)
    digits = text.isascii() and text.isdigit() and len(text) < 10
    if not digits or int(text) > _LARGEST_LABEL:
        raise _wrong(path, f"label value {raw!r:.60}", f"a whole number from 0 to {_LARGEST_LABEL}", "json-label")
    return int(text)


def channel_names(declaration: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    """The names in `{"0": "CT", "1": "PET"}`, in the order of their numbers, which count from 0 without a gap."""
    table = entry(declaration, key, dict, path)
    names = tuple(table.get(str(number)) for number in range(len(table)))
    if not names or not all(isinstance(name, str) for name in names):
        raise _wrong(path, f"{key}: {table!s:.80}", 'names under "0", "1", ... without a gap', "json-channels")
    return tuple(str(name) for name in names)


def listed_file(text: Any, root: Path, path: Path) -> Path:
    """The file a declaration names, below `root`; anything that leads elsewhere raises DataError (`path-escape`)."""
    if not isinstance(text, str) or not text.strip("./"):
        raise _wrong(path, f"{text!r:.80} in the place of a file", "a path such as ./imagesTr/case.nii.gz", "json-type")
    parts: Sequence[str] = PurePosixPath(text).parts
    outside = PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or ".." in parts or "\0" in text
    if outside or ".." in PureWindowsPath(text).parts:
        raise _wrong(path, f"the path {text!r:.200}", "a path that stays below the root", "path-escape")
    return root.joinpath(*parts)
