"""What every setting is, in words, read from the types of `config.py`: for help, errors and completion."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seg.config import Section, Settings

TABLES = frozenset({"data.labels", "transfer.via_roots", "components"})
"""Settings whose keys are free, so they count as one setting."""

_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
_TABLE_EXAMPLES = {tuple: "{liver:[1,2]}", dict: "{l2sp:{weight:0.1}}"}
_LIMITS = {
    Ge: ("ge", "at least"),
    Gt: ("gt", "above"),
    Le: ("le", "at most"),
    Lt: ("lt", "below"),
    MultipleOf: ("multiple_of", "a multiple of"),
}


def fields(section: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """(dotted name, field) of every setting, in the order of the schema."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def setting_names() -> tuple[str, ...]:
    """Every dotted setting, in the order of the schema."""
    return tuple(name for name, _ in fields())


def list_names() -> frozenset[str]:
    """The settings that hold several values, which a word separates by commas."""
    return frozenset(name for name, field in fields() if _holds_several(field.annotation))


def _holds_several(annotation: Any) -> bool:
    parts = get_args(annotation) if get_origin(annotation) in (Annotated, Union, UnionType) else ()
    return get_origin(annotation) is tuple or any(_holds_several(part) for part in parts)


def describe() -> Iterator[tuple[str, Any, str, tuple[str, ...]]]:
    """(name, default, meaning, allowed words) of every setting."""
    for name, field in fields():
        yield name, field.get_default(), " ".join((field.description or "").split()), _allowed(field.annotation)


def _allowed(annotation: Any) -> tuple[str, ...]:
    if annotation is bool:
        return ("true", "false")
    if isinstance(annotation, str):
        return (annotation,)
    inner = (word for part in get_args(annotation) for word in _allowed(part))
    return tuple(dict.fromkeys(inner))


def allowed_words(name: str) -> tuple[str, ...]:
    """The words a setting of that name can be; empty where it is free."""
    return next((words for key, _, _, words in describe() if key == name), ())


def expected(name: str) -> str:
    """What a setting can be, such as `a whole number, at least 1, or null`; empty for an unknown name."""
    found = next((field for key, field in fields() if key == name), None)
    return "" if found is None else expected_of(found)


def expected_of(field: FieldInfo) -> str:
    """What the values of a field can be, in the same words."""
    return _phrase(field.rebuild_annotation())


def _phrase(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = " and ".join(_limits(parts[1:]))
        return f"{_phrase(parts[0])} {limits}".rstrip()
    if origin in (Union, UnionType):
        return ", or ".join(_phrase(part) for part in parts)
    if origin is Literal:
        return "one of " + ", ".join(str(part) for part in parts)
    if origin is tuple:
        several = parts[-1] is Ellipsis
        return f"a list, each {_phrase(parts[0])}" if several else f"{len(parts)} values, each {_phrase(parts[0])}"
    if origin is dict:
        return f"a table such as {_TABLE_EXAMPLES.get(get_origin(parts[1]), '{spleen:folder}')}"
    return _PLAIN.get(annotation, "a group of settings")


def _limits(constraints: tuple[Any, ...]) -> Iterator[str]:
    for constraint in constraints:
        for one in constraint.metadata if isinstance(constraint, FieldInfo) else (constraint,):
            if isinstance(one, MinLen):
                yield "that is not empty"
            elif type(one) in _LIMITS:
                attribute, phrase = _LIMITS[type(one)]
                yield f"{phrase} {getattr(one, attribute):,}".removesuffix(".0")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every leaf; tables of free keys such as `data.labels` count as one leaf."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in TABLES:
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def as_text(value: Any) -> str:
    """A Python value as the text that a `key=value` word carries: `null`, `true`, `3e-04`, `[1, 2]`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping | list | tuple):
        return yaml.safe_dump(_plain(value), default_flow_style=True, sort_keys=False, width=10**9).strip()
    return str(value)


def shown(default: Any) -> str:
    """A default as a person writes it: `dice, iou` for a list, `empty` where there is nothing."""
    if isinstance(default, tuple):
        default = ", ".join(as_text(part) for part in default)
    return "empty" if default in ("", {}) else as_text(default)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return as_text(value)
