"""Components of a strategy and their knobs, as far as settings know them: names and texts, without importing any."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from seg.config import Section, Settings
from seg.errors import UsageError, nearest
from seg.registry import COMPONENTS
from seg.schema import as_text, expected_of, shown

Tree = dict[str, Any]
Kind = TypeVar("Kind", bound=Section)


def is_knob(key: str) -> bool:
    """Whether a word such as `l2sp.weight` sets a component's own knob."""
    first, dot, _ = key.partition(".")
    return bool(dot) and first in COMPONENTS.names() and first not in Settings.model_fields


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """`base` with everything that `over` says, section by section; lists are replaced, not joined."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def joined_components(strategies: Sequence[Tree], given: Mapping[str, Any], names: Sequence[str]) -> Tree:
    """What the strategies list, in order and each once, with the knobs that they, files and words set."""
    components: Tree = {}
    for strategy in strategies:
        for name, knobs in strategy["components"].items():
            components[name] = merge(components.get(name, {}), knobs or {})
    for name, knobs in given.items():
        if name not in components:
            raise UsageError(
                found=f"settings of {name} ({', '.join(knobs)})", expected=f"components of {', '.join(names)}: "
                f"{', '.join(components)}", fix=f"add a strategy that uses {name}, or leave its settings out",
                code="unused-component",
            )  # fmt: skip
        components[name] = merge(components[name], knobs)
    return components


def component_settings(kind: type[Kind], name: str, knobs: Mapping[str, Any]) -> Kind:
    """A component's own settings as its type knows them; the first wrong one raises UsageError with its dotted name."""
    known = [f"{name}.{knob}" for knob in kind.model_fields]
    try:
        return kind.model_validate(knobs)
    except ValidationError as error:
        problem = error.errors()[0]
        knob = ".".join(str(part) for part in problem["loc"][:1])
        told = f"{name}.{knob}".removesuffix(".")
        if problem["type"] == "extra_forbidden":
            raise UsageError(
                found=f"unknown setting {told!r}", expected=f"one of {', '.join(known) or 'no settings at all'}",
                fix=f"correct its name.{nearest(told, known)}", code="unknown-setting",
            ) from None  # fmt: skip
        own_words = problem["msg"].removeprefix("Value error, ")
        typed = knob in kind.model_fields and problem["type"] != "value_error"
        wanted = expected_of(kind.model_fields[knob]) if typed else own_words.removeprefix("Input should be ")
        raise UsageError(
            found=f"{told}={as_text(problem['input'])}", expected=wanted,
            fix=f"give {told} such a value{_default_of(kind, knob)}", code="bad-value",
        ) from None  # fmt: skip


def _default_of(kind: type[Section], knob: str) -> str:
    field = kind.model_fields.get(knob)
    return "" if field is None else f", or leave it out: {shown(field.get_default())} is the default"
